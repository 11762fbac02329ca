//! Every setting, declared once.
//!
//! What isn't used yet isn't listed: a key here does something today.

use std::path::PathBuf;

use secrecy::SecretString;
use shraga_core::status::Pool;
use shraga_core::worker::pipeline::Summaries;
use shraga_dataverse::auth::{Choice, PUBLIC_AUTHORITY};
use shraga_worker::PushPolicy;
use url::Url;

use super::budget::{Day, Days, PriceList};
use super::error::ConfigError;
use super::machines::{HourPrice, Many, OrOff, Prefix};
use super::repositories::{GitAuthor, Places};
use super::resolve::{Key, Resolver};
use super::value::{
    Authority, Counts, EntitySet, Every, Identities, Identity, Limit, Patience, Percent, Seconds,
    Slots, Tries, Unchecked, Weights, word_setting,
};
use super::{Account, Parameters};

/// The name in a list of none or one.
const fn first(names: &[&'static str]) -> Option<&'static str> {
    match names {
        [name, ..] => Some(name),
        [] => None,
    }
}

macro_rules! sections {
    ($(
        $(#[doc = $about:literal])+
        $name:ident $section:ident {
            $( $(#[doc = $doc:literal])+ $key:ident : $type:ty = $default:expr $(, env $env:literal)? ; )+
        }
    )+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug)]
            pub struct $name { $( $(#[doc = $doc])+ pub $key: $type, )+ }

            impl $name {
                pub(crate) const KEYS: &[Key] = &[$(Key {
                    section: stringify!($section),
                    name: stringify!($key),
                    path: concat!(stringify!($section), ".", stringify!($key)),
                    env: first(&[$($env)?]),
                    doc: concat!($($doc, "\n",)+).trim_ascii(),
                },)+];

                pub(crate) fn take(resolver: &mut Resolver<'_>) -> Result<Self, ConfigError> {
                    let mut keys = Self::KEYS.iter();
                    $(let $key = resolver.take::<$type>(
                        keys.next().expect("one key is declared per field"),
                        $default,
                    )?;)+
                    Ok(Self { $($key,)+ })
                }
            }
        )+

        /// All sections with their keys, in the order of the example file.
        pub const SECTIONS: &[(&str, &[Key])] = &[$((stringify!($section), $name::KEYS),)+];
    };
}

sections! {
    /// Where the store is, and how to talk to it.
    Store store {
        /// Address of the Dataverse organisation or of a `shraga serve` elsewhere. Unset: the store
        /// whose data folder (`.shraga`) is found upwards from the working directory.
        url: Option<Url> = None, env "DATAVERSE_URL";
        /// Bearer token for that address. Unset: that of the data folder, or Azure's credentials.
        token: Option<SecretString> = None, env "DATAVERSE_TOKEN";
        /// A file holding that token, instead of `token`. Unset: `token` counts.
        token_file: Option<PathBuf> = None;
        /// A certificate (PEM) to trust beside the system's, such as another machine's `tls-cert.pem`. The
        /// sign-in service may have it too. Unset: the system's, and that of the data folder.
        ca_file: Option<PathBuf> = None;
        /// Seconds one request may take in total, connecting and reading the body included.
        request_timeout_seconds: Seconds = Seconds(30), env "REQUEST_TIMEOUT";
        /// Percent of Dataverse's limits for one identity that this process may use. Processes that share an
        /// identity should have shares that add up to 100.
        share_percent: Percent = Percent(100);
        /// How often the link to a new mirror is tried, at a store where it can't be made together with it.
        link_tries: Tries = Tries(3);
        /// Seconds between two such tries.
        link_delay_seconds: Seconds = Seconds(1);
        /// The embedded store's folder, for `up` and `serve`.
        data: PathBuf = PathBuf::from(".shraga");
        /// Where `up` and `serve` listen; port 0 takes a free one, which `endpoint.json` then tells.
        listen: String = "127.0.0.1:0".to_owned();
    }

    /// How a token for the store is had when none is given (docs/credentials.md). Names and order are
    /// those of Azure's own tools.
    Credentials credentials {
        /// Which credentials are tried: `dev`, `prod` or one's name, such as `AzureCliCredential`.
        /// Unset: all, in order.
        kind: Option<Choice> = None, env "AZURE_TOKEN_CREDENTIALS";
        /// The tenant: of the application, and of the token that `az` and `azd` are asked for.
        /// Needed for a service principal or workload identity; unset otherwise: the tools' own.
        tenant_id: Option<String> = None, env "AZURE_TENANT_ID";
        /// The application, or the machine's identity when it has several. Needed for a service principal
        /// or workload identity.
        client_id: Option<String> = None, env "AZURE_CLIENT_ID";
        /// The application's secret. Needed for a service principal, unless it has a certificate.
        client_secret: Option<SecretString> = None, env "AZURE_CLIENT_SECRET";
        /// A file with the application's certificate and its RSA key (PEM, unencrypted), instead of a
        /// secret. Needed for a service principal without one.
        client_certificate_path: Option<PathBuf> = None, env "AZURE_CLIENT_CERTIFICATE_PATH";
        /// A file with a token of the platform (workload identity), read anew each time. Needed
        /// for workload identity.
        federated_token_file: Option<PathBuf> = None, env "AZURE_FEDERATED_TOKEN_FILE";
        /// Where applications sign in; https. A file can name Azure's own services only.
        authority_host: Authority = Authority(PUBLIC_AUTHORITY.to_owned()), env "AZURE_AUTHORITY_HOST";
        /// Seconds one credential may take.
        timeout_seconds: Seconds = Seconds(10);
    }

    /// Names of tables, which differ between organisations by their publisher's prefix.
    Schema schema {
        /// Entity set of the tasks table.
        tasks: EntitySet = "cr_shraga_tasks".into(), env "TABLE_NAME";
        /// Entity set of the workers table.
        workers: EntitySet = "cr_shraga_workers".into(), env "WORKERS_TABLE";
        /// Entity set of the events table.
        events: EntitySet = "cr_shraga_events".into(), env "EVENTS_TABLE";
        /// Entity set of the users table.
        users: EntitySet = "cr_shraga_users".into(), env "USERS_TABLE";
    }

    /// How tasks are given to workers.
    Assign assign {
        /// Whether tasks may go to shared workers when their owner has none of her own free.
        shared: bool = true;
        /// How much more than others a person gets while there is not enough for all, 1 to 1000; 1 for
        /// who is not named. By identity, as `shraga token list` or the row of the person says it.
        /// Unset: all count the same.
        weights: Weights = Weights::default();
        /// How many of one person's tasks may run at once; 0 or `off`: as many as there are slots.
        user_running: Limit = Limit(None);
        /// How many of one person's tasks with the same key (`submit --key`) may run at once.
        key_running: Slots = Slots(1);
        /// Keys that everybody's tasks share, and how many tasks with one may run at once. Other keys are
        /// each person's own.
        /// Unset: there are none.
        keys: Counts = Counts::default();
        /// Seconds between looks at the store without a wake-up while work is open.
        tick_seconds: Seconds = Seconds(10);
    }

    /// When an assignment or a worker is given up.
    Health health {
        /// Seconds a worker may take to claim a task assigned to it before the task goes to another.
        claim_timeout_seconds: Seconds = Seconds(120);
        /// Seconds a worker may be silent before it is asked whether it lives, and given nothing more.
        /// At least twice `worker.beat_seconds`.
        suspect_seconds: Patience = Patience(90);
        /// Seconds it then has to answer before its tasks go to others. What a dead worker held waits for
        /// another `suspect_seconds` + `confirm_seconds` after its last beat, and four ticks at most.
        confirm_seconds: Patience = Patience(210);
    }

    /// What `shraga worker` (and the workers of `shraga up`) offer.
    Worker worker {
        /// The worker's name. Unset: the machine's.
        name: Option<String> = None;
        /// Which worker it is, by the identity of its row, where somebody else has made that: whoever made
        /// the machine it runs on. Unset: what its token says, else computed from its owner and its name.
        id: Option<Identity> = None, env "SHRAGA_WORKER_ID";
        /// How many tasks it runs at once.
        slots: Slots = Slots(1);
        /// Whom it serves: `shared` (anybody) or `dedicated` (its owner). Unset: what its token says,
        /// and `shared` with an admin's token.
        pool: Option<Pool> = None;
        /// Whose mirrors it takes up on Dataverse, by identity: the orchestrator's. Unset: those of its own
        /// identity, and of whoever owns the row that orchestrators hold their lease in.
        trusts: Identities = Identities(Vec::new());
        /// Labels it carries.
        labels: Vec<String> = Vec::new();
        /// The agent for tasks that don't name one. Unset: the only one configured, if it is the only one.
        agent: Option<String> = None;
        /// The agent that judges whether a task's criteria hold. Unset: the one that worked, in a session
        /// of its own.
        verifier: Option<String> = None;
        /// When what was done is summarised, which costs another session: `never`, `rounds` (when it took
        /// more than one) or `always`.
        summaries: Summaries = Summaries::Rounds;
        /// Minutes between notes of what another worker would go on from, while an agent runs; 0 or `off`:
        /// only when an attempt ends.
        checkpoint_minutes: Every = Every(5);
        /// Where attempts have their folders. Unset: `work` in the data folder.
        folder: Option<PathBuf> = None;
        /// Seconds a worker of `shraga up --workers MIN..MAX` may have nothing to do before it is stopped, as
        /// long as there are more than MIN.
        idle_seconds: Seconds = Seconds(60);
        /// Hours after which a worker of `shraga up --workers MIN..MAX` that sleeps is deleted, with its folder,
        /// caches and kept attempts; `off`: it is kept. Nothing is deleted while a report in it was not taken.
        delete_after_stopped_hours: OrOff = OrOff(Some(168));
        /// Seconds between two of its signs of life. An orchestrator that gives workers less than twice that
        /// (`health.suspect_seconds`, `health.confirm_seconds`) gives up healthy ones.
        beat_seconds: Seconds = Seconds(30);
        /// Seconds an agent gets between being asked to end and being killed.
        grace_seconds: Seconds = Seconds(10);
        /// Repositories that tasks may name beyond public hosts: absolute paths of folders, with all below
        /// them, and hosts of private networks.
        repositories: Places = Places::default();
        /// Whom the worker commits as, and the agent unless it is told otherwise: `NAME <EMAIL>`.
        git_author: GitAuthor = GitAuthor::default();
        /// Seconds that a git command which talks to a repository may take in total.
        git_timeout_seconds: Seconds = Seconds(1800);
        /// Whether a task's branch is pushed when the task asks for it: `on-request`, or `off`.
        push: PushPolicy = PushPolicy::OnRequest;
        /// Days an attempt's folder stays after its report was taken; 0 or `off`: for ever.
        retention_days: Limit = Limit(Some(7));
        /// Gigabytes (10^9 bytes) the worker's folder may take; 0 or `off`: any amount. Above it, folders whose
        /// reports were taken go earlier, oldest first, unless their commits are nowhere else; when that
        /// isn't enough, nothing new is taken.
        disk_cap_gb: Limit = Limit(None);
        /// Minutes an agent goes on when its worker is gone; a worker that is started again in the same folder
        /// finds it. `off`: for as long as it takes.
        orphan_minutes: Every = Every(30);
    }

    /// Dev Boxes for people with much to do (docs/machines.md). Endpoint, project, pool and threshold are
    /// checked where they are used: a wrong one turns provisioning off, with the reason in the log and in
    /// the orchestrator's status, and stops nothing.
    Provision provision {
        /// Address of the Dev Center, such as `https://TENANT-CENTER.REGION.devcenter.azure.com`. Needed
        /// for provisioning; unset: it is off.
        endpoint: Option<Unchecked> = None, env "DEVCENTER_ENDPOINT";
        /// The Dev Center's project. Needed for provisioning.
        project: Option<Unchecked> = None, env "DEVBOX_PROJECT";
        /// The pool in which Dev Boxes are made.
        pool: Unchecked = Unchecked::from("shraga-worker-pool"), env "DEVBOX_POOL";
        /// From how many open tasks on a person without a machine gets one.
        threshold: Unchecked = Unchecked::from("5"), env "PROVISION_THRESHOLD";
        /// Minutes that a person must have had so many open tasks.
        dwell_minutes: Many = Many(10);
        /// The most machines of one person.
        per_person: Many = Many(1);
        /// The most machines at once, stopped and failed ones included.
        total: Many = Many(4);
        /// The most machines made in a month (UTC); `off`: any number.
        per_month: OrOff = OrOff(Some(20));
        /// Minutes without work after which a machine is stopped; `off`: it never is. The pool's own
        /// schedule and `stopOnDisconnect` count beside it.
        idle_stop_minutes: OrOff = OrOff(Some(30));
        /// Hours after which a stopped machine is deleted, with all that is on it; `off`: it is kept.
        delete_after_stopped_hours: OrOff = OrOff(None);
        /// Hours after which a failed machine on which a worker ran is deleted, with all that is on it; `off`: it
        /// is kept. One that never ran a worker is deleted after a day.
        delete_after_failed_hours: OrOff = OrOff(Some(168));
        /// Whether a machine that is stopped keeps its memory.
        hibernate: bool = true;
        /// Hours by which a stop on the pool's own schedule is delayed at most while the machine holds a task; `off`:
        /// it never is.
        delay_stops_hours: OrOff = OrOff(Some(8));
        /// Minutes after which a machine that does not come counts as failed. It is reported after 15.
        give_up_minutes: Many = Many(90);
        /// What names of machines begin with. Where installations share a project, one each.
        prefix: Prefix = Prefix("shraga".to_owned());
        /// What a machine costs while it runs, in US dollars an hour, for `costs` and `machines`. Unset: it
        /// is not known.
        usd_per_hour: Option<HourPrice> = None;
    }

    /// What makes a worker of a Dev Box.
    DevBox dev_box {
        /// In whose name Dev Boxes are made: `person`, each in her own (the store has to know her Entra account, and
        /// whoever signs in has to be an admin of the project), or `own`, all in the name of whoever signs in.
        account: Account = Account::default();
        /// The task of one of the project's catalogs that installs and starts `shraga worker`, such as
        /// `catalog/powershell`. It runs as the machine, once. Unset: nothing is installed; the pool's image has it.
        install_task: Option<String> = None;
        /// What the task is told, each `NAME=TEXT`. In a text `{worker}` stands for the worker's identity
        /// (`SHRAGA_WORKER_ID`), `{machine}` for its name, `{store}` for the store's address, and `{token}` for a token
        /// of the worker's own, where the store makes tokens.
        install_parameters: Parameters = Parameters(Vec::new());
    }

    /// How a newer version is noticed.
    Update update {
        /// The git checkout that is compared. Unset: the work tree of the working directory, else of
        /// the program.
        repo: Option<PathBuf> = None;
        /// The branch of its remote `origin` that tells the newest version, in the file `VERSION`.
        branch: Unchecked = Unchecked::from("users/sagik/shraga-worker"), env "GIT_BRANCH";
        /// Seconds that a git command which talks to the remote may take in total; others get 10.
        git_timeout_seconds: Seconds = Seconds(60), env "GIT_TIMEOUT";
        /// The folder of an installation that versions are taken into use in (docs/operations.md). Unset: the one
        /// this program runs from, if it runs from one.
        root: Option<PathBuf> = None;
        /// What builds a version, in the folder with the commit's files. `CARGO_TARGET_DIR` in its environment names
        /// the folder to build in, which is kept for the next version.
        build: Vec<String> = ["cargo", "build", "--release", "--locked"].map(str::to_owned).into();
        /// The program that comes of it, in that folder.
        artefact: PathBuf = PathBuf::from("release/shraga");
        /// Where programs are that somebody else built, instead of building them here: an `https` address or a path, in
        /// which `{version}`, `{commit}`, `{os}` and `{arch}` are filled in. Unset: they are built here.
        prebuilt: Option<String> = None;
        /// The commit's file with their sums, as `sha256sum` writes it.
        checksums: PathBuf = PathBuf::from("SHA256SUMS");
        /// Seconds that building, or bringing what was built, may take in total.
        build_timeout_seconds: Seconds = Seconds(3600);
        /// Seconds that each trial of what was built may take.
        trial_timeout_seconds: Seconds = Seconds(120);
        /// Seconds that a version on trial may take after its start until it does its work; then the one before runs again.
        health_seconds: Seconds = Seconds(180);
        /// A file of those whose ssh keys may have signed the commit (`man ssh-keygen`, ALLOWED SIGNERS). Unset:
        /// signatures are not looked at.
        signers: Option<PathBuf> = None;
        /// Whether a daemon that `shraga keep` keeps running takes newer versions by itself.
        apply: bool = false;
        /// Minutes that the first worker to take a new release (the canary) must have stayed well with it before the
        /// others may take it; `off`: all take it at once.
        canary_minutes: OrOff = OrOff(Some(10));
        /// Minutes between checks of `shraga orchestrate`; 0 or `off`: never.
        check_minutes: Every = Every(10), env "SHRAGA_UPDATE_MINUTES";
    }

    /// What people's tasks may cost (docs/budgets.md). Limits of a day are kept by reserving before an
    /// attempt is given out.
    Budget budget {
        /// What one person may spend on a day (UTC), such as `20usd,5m-tokens`. Unset: no limit.
        user_day: Day = Day::default();
        /// The same of single people, by their identity.
        /// Unset: nobody has a limit of her own.
        users: Days = Days::default();
        /// What everybody together may spend on a day.
        /// Unset: there is no limit.
        day: Day = Day::default();
        /// What one attempt may spend when a day is limited and its task is not. Unset: a tenth of the day.
        attempt: Day = Day::default();
        /// What models cost, in US dollars per million tokens: input, output, cache read, cache write. A
        /// name may end in `*`. These count before the built-in prices of Claude's models.
        /// Unset: only those count.
        prices: PriceList = PriceList::default();
    }

    /// What is logged to standard error.
    Log log {
        /// `human` or `json` (one object per line).
        format: LogFormat = LogFormat::Human;
        /// A level (`error`, `warn`, `info`, `debug`, `trace`) or a filter such as
        /// `warn,shraga_orchestrator=debug`. Unset: `info` for daemons, `warn` for other verbs.
        level: Option<String> = None, env "SHRAGA_LOG";
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// For machines: one JSON object per line.
    Json,
}

word_setting!(LogFormat, "\"human\" or \"json\"", {
    "human" => LogFormat::Human,
    "json" => LogFormat::Json,
});

word_setting!(Summaries, "\"never\", \"rounds\" or \"always\"", {
    "never" => Summaries::Never,
    "rounds" => Summaries::Rounds,
    "always" => Summaries::Always,
});

word_setting!(Pool, "\"shared\" or \"dedicated\"", {
    "shared" => Pool::Shared,
    "dedicated" => Pool::Dedicated,
});

word_setting!(PushPolicy, "\"on-request\" or \"off\"", {
    "on-request" => PushPolicy::OnRequest,
    "off" => PushPolicy::Off,
});
