//! All that runs: a store, two orchestrators and three workers, each behind a connection of its own, and the people.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use fastrand::Rng;
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::watch;

use crate::args::Args;
use crate::clock::{self, Moment};
use crate::daemon::Daemon;
use crate::people::{Filed, People, Person};
use crate::place::Place;
use crate::proxy::Proxy;
use crate::torment::{Operator, Role, Started, Story, Victim};
use crate::watch::Task;

/// How long a store may take to accept requests.
const START_SECONDS: f64 = 60.0;

/// How long everything may take to end once it is healed: backoffs, a confirmation, the longest agent, some requests.
const CALM_SECONDS: f64 = 180.0;

/// The workers: name, whose, whom they serve.
const WORKERS: [(&str, &str, &str); 3] = [
    ("w1", "pool", "shared"),
    ("w2", "pool", "shared"),
    ("w3", "ada", "dedicated"),
];

/// How long a daemon may finish what it does, at the very end.
const LEAVE_SECONDS: f64 = 20.0;

/// What waits for a store to accept requests, and tells everybody where.
#[derive(Debug)]
pub(crate) struct StoreStart {
    data: PathBuf,
    address: watch::Sender<SocketAddr>,
}

impl StoreStart {
    /// One that was killed leaves its address behind.
    pub(crate) fn before(&self) -> Result<()> {
        match fs::remove_file(self.data.join("endpoint.json")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    pub(crate) async fn after(&self, daemon: &mut Daemon) -> Result<()> {
        let path = self.data.join("endpoint.json");
        if !clock::until(START_SECONDS, || path.is_file() || daemon.ended().is_some()).await
            || !path.is_file()
        {
            bail!(
                "the store does not start; its log is {}",
                daemon.log().display()
            );
        }
        let endpoint: Value = serde_json::from_slice(&fs::read(&path)?)?;
        let url = endpoint["url"]
            .as_str()
            .context("endpoint.json names no url")?;
        let address = url.trim_start_matches("http://").parse()?;
        self.address.send_replace(address);
        Ok(())
    }
}

/// All that runs.
pub(crate) struct Scene {
    pub(crate) place: Place,
    pub(crate) begun: Moment,
    pub(crate) story: Story,
    pub(crate) address: watch::Receiver<SocketAddr>,
    pub(crate) admin: SecretString,
    pub(crate) people: People,
    /// The people's connection, which is never disturbed.
    _direct: Proxy,
    pub(crate) victims: Vec<Victim>,
}

impl Scene {
    /// Starts everything.
    pub(crate) async fn set(place: Place, args: &Args, dice: &mut Rng) -> Result<Self> {
        let begun = clock::now();
        let mut cast = Cast {
            place: &place,
            only: &args.only,
            story: Story::default(),
            dice,
            operator: None,
        };
        let data = place.root().join("store");
        let (sender, address) = watch::channel(SocketAddr::from(([127, 0, 0, 1], 9)));
        let start = StoreStart {
            data: data.clone(),
            address: sender,
        };
        let mut store = cast.store(start);
        store.start().await?;
        let admin_file = data.join("admin.token").to_string_lossy().into_owned();
        let admin = SecretString::from(fs::read_to_string(&admin_file)?.trim().to_owned());
        let direct = Proxy::start(address.clone()).await?;
        cast.operator = Some(Operator {
            place: place.clone(),
            url: direct.url(),
            token_file: admin_file.clone(),
        });
        let registry = Registry {
            place: &place,
            url: direct.url(),
            admin: admin_file,
        };
        let all = registry.people(&["ada", "bob", "cleo"]).await?;
        let mut victims = vec![store];
        for name in ["first orchestrator", "second orchestrator"] {
            let proxy = Proxy::start(address.clone()).await?;
            let args = ["orchestrate", "--token-file", &registry.admin].map(str::to_owned);
            victims.push(cast.client(Role::Orchestrator, name, &args, proxy));
        }
        for (name, owner, pool) in WORKERS {
            let wanted = ["--role", "worker", "--pool", pool, "--slots", "2"];
            let token = registry.token(owner, &wanted).await?;
            let proxy = Proxy::start(address.clone()).await?;
            let args = [
                "worker",
                "--name",
                name,
                "--slots",
                "2",
                "--token-file",
                &token,
            ];
            victims.push(cast.client(Role::Worker, name, &args.map(str::to_owned), proxy));
        }
        for victim in &mut victims[1..] {
            victim.start().await?;
        }
        Ok(Self {
            begun,
            story: cast.story.clone(),
            address,
            admin,
            people: People {
                place: place.clone(),
                url: direct.url(),
                all,
            },
            place,
            _direct: direct,
            victims,
        })
    }

    /// Waits until every task has ended and its person sees it, but no longer than is patient; how long it took.
    pub(crate) async fn calm(
        &mut self,
        filed: &Filed,
        mut rows: watch::Receiver<Vec<Task>>,
    ) -> Result<f64> {
        let from = clock::now();
        loop {
            for victim in &mut self.victims {
                victim.revive().await?;
            }
            rows.changed().await?;
            let over = is_over(&rows.borrow_and_update(), filed);
            let waited = clock::now() - from;
            if over || waited > CALM_SECONDS {
                return Ok(waited);
            }
        }
    }

    /// Stops everything in order; the store goes last, so that everybody can say good-bye.
    pub(crate) async fn stop(&mut self) {
        for victim in self.victims.iter_mut().rev() {
            let name = victim.daemon.name.clone();
            match victim.daemon.ask_to_end(LEAVE_SECONDS).await {
                Some(status) if status.success() => {}
                Some(status) => self
                    .story
                    .broken(format!("{name} ended with {status} when it was asked to")),
                None => self
                    .story
                    .broken(format!("{name} did not end when it was asked to, twice")),
            }
        }
    }
}

/// Makes daemons that will be tormented.
struct Cast<'a> {
    place: &'a Place,
    only: &'a [String],
    story: Story,
    dice: &'a mut Rng,
    operator: Option<Operator>,
}

impl Cast<'_> {
    fn store(&mut self, start: StoreStart) -> Victim {
        let folder = start.data.to_string_lossy().into_owned();
        let args = ["serve", "--listen", "127.0.0.1:0", "--data", &folder].map(str::to_owned);
        self.victim(Role::Store, "store", &args, None, Started::Store(start))
    }

    fn client(&mut self, role: Role, name: &str, args: &[String], proxy: Proxy) -> Victim {
        let url = ["--url".to_owned(), proxy.url()];
        let args = [args, &url].concat();
        self.victim(role, name, &args, Some(proxy), Started::Nothing)
    }

    fn victim(
        &mut self,
        role: Role,
        name: &str,
        args: &[String],
        proxy: Option<Proxy>,
        started: Started,
    ) -> Victim {
        Victim {
            role,
            daemon: Daemon::new(self.place, name, args.to_vec()),
            proxy,
            dice: self.dice.fork(),
            story: self.story.clone(),
            only: self.only.to_vec(),
            started,
            operator: self.operator.clone(),
        }
    }
}

/// Where tokens are made.
struct Registry<'a> {
    place: &'a Place,
    url: String,
    admin: String,
}

impl Registry<'_> {
    async fn people(&self, names: &[&str]) -> Result<Vec<Person>> {
        let mut people = Vec::new();
        for name in names {
            let token_file = self.token(name, &["--role", "user"]).await?;
            people.push(Person { token_file });
        }
        Ok(people)
    }

    /// Makes a token for `user`, in a file.
    async fn token(&self, user: &str, wanted: &[&str]) -> Result<String> {
        let mail = format!("{user}@example.org");
        let who = ["token", "create", "--user", &mail];
        let at = ["--url", &self.url, "--token-file", &self.admin];
        let made = self.place.json(&[&who[..], wanted, &at].concat()).await?;
        let secret = made["token"].as_str().context("no token was printed")?;
        let id = made["id"].as_str().context("no identity was printed")?;
        let file = self.place.root().join(format!("{id}.token"));
        fs::write(&file, secret)?;
        Ok(file.to_string_lossy().into_owned())
    }
}

fn is_over(rows: &[Task], filed: &Filed) -> bool {
    let tasks: Vec<&Task> = rows.iter().filter(|row| !row.is_mirror()).collect();
    let settled = |task: &&Task| {
        let of =
            |row: &&Task| row.is_mirror() && row.mirror_of.as_deref() == Some(task.id.as_str());
        let mirror = rows.iter().find(of);
        mirror.map_or_else(
            || task.was_never_mirrored(),
            |mirror| mirror.has_ended() && mirror.status == task.status,
        )
    };
    tasks.len() >= filed.tasks.len() && tasks.iter().all(settled)
}
