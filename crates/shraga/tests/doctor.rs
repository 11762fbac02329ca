//! `shraga doctor`: each check with something that is really broken, and each fix.
#![cfg(unix)]

#[cfg(test)]
mod checks {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use serde_json::Value;

    use crate::common::{Place, Ran, until};

    /// What a doctor said, as JSON.
    struct Report(i32, Value);

    impl Report {
        fn of(place: &Place, args: &[&str]) -> Self {
            Self::with(place, args, &[])
        }

        fn with(place: &Place, args: &[&str], env: &[(&str, &str)]) -> Self {
            let mut all = vec!["doctor", "--json"];
            all.extend_from_slice(args);
            let ran = Ran::of(
                place
                    .command(&all)
                    .envs(env.iter().copied())
                    .output()
                    .unwrap(),
            );
            let report = serde_json::from_str(&ran.out);
            Self(ran.code, report.unwrap_or_else(|_| ran.err.into()))
        }

        /// The findings of `check` that aren't fine.
        fn bad(&self, check: &str) -> Vec<&Value> {
            let all = self.1["findings"].as_array().unwrap().iter();
            all.filter(|finding| finding["check"] == check && finding["severity"] != "ok")
                .collect()
        }

        /// The one finding of `check` that isn't fine.
        #[track_caller]
        fn only(&self, check: &str, severity: &str, words: &[&str]) -> &Value {
            let bad = self.bad(check);
            assert_eq!(bad.len(), 1, "{check} in {:#}", self.1);
            let what = format!("{}", bad[0]["what"]);
            for word in words {
                assert!(what.contains(word), "{word:?} in {what}");
            }
            assert_eq!(bad[0]["severity"], severity, "{}", bad[0]);
            assert!(bad[0]["fix"].as_str().is_some_and(|fix| !fix.is_empty()));
            bad[0]
        }
    }

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn an_agent_whose_cost_nobody_knows_is_named_where_money_is_limited() {
        let agents = r#"
            [agents.mute]
            kind = "command"
            program = ["sh"]
            [agents.codex]
            kind = "codex"
            model = "gpt-unheard-of"
            program = ["sh"]
            [agents.claude]
            kind = "claude"
            program = ["sh"]
        "#;
        let place = Place::with_config(agents);
        assert_eq!(Report::of(&place, &[]).bad("prices"), Vec::<&Value>::new());
        let limited = format!("{agents}\n[budget]\nuser_day = \"5usd\"");
        let place = Place::with_config(&limited);
        let report = Report::of(&place, &[]);
        let bad = report.bad("prices");
        assert_eq!(bad.len(), 2, "{bad:?}");
        for words in [
            "`mute` are not begun: it does not tell",
            "`gpt-unheard-of` has no known price",
        ] {
            let named = |it: &&Value| it["what"].as_str().is_some_and(|what| what.contains(words));
            assert!(bad.iter().any(named), "{words}: {bad:?}");
        }
        let priced = format!("{limited}\nprices = {{ \"gpt-un*\" = [1, 2, 0, 0] }}");
        let place =
            Place::with_config(&priced.replace("[agents.mute]", "[agents.mute]\nusage = \"free\""));
        assert_eq!(Report::of(&place, &[]).bad("prices"), Vec::<&Value>::new());
    }

    #[test]
    fn a_store_that_works_has_nothing_broken_and_nothing_left_behind() {
        let place = Place::new();
        let _running = place.start(&["serve"]);
        let report = Report::of(&place, &[]);
        assert_eq!(report.0, 0, "{:#}", report.1);
        assert_eq!(report.1["errors"], 0);
        for check in [
            "store",
            "clock",
            "schema",
            "permissions",
            "disk",
            "endpoint",
        ] {
            assert_eq!(report.bad(check), Vec::<&Value>::new(), "{check}");
            let all = report.1["findings"].as_array().unwrap();
            assert!(
                all.iter().any(|finding| finding["check"] == check),
                "{check}"
            );
        }
        assert_eq!(
            place.json(&["list", "--token-file", ".shraga/admin.token"]),
            serde_json::json!([])
        );
        assert_eq!(
            Report::of(&place, &[]).0,
            0,
            "a second look is no different"
        );
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_the_one_finding() {
        let place = Place::with_config("[store]\nurls = \"x\"\n");
        let report = Report::of(&place, &[]);
        assert_eq!(report.0, 1);
        report.only("configuration", "error", &["unknown key `store.urls`"]);
    }

    #[test]
    fn contradicting_settings_and_a_secret_for_everybody_are_named() {
        let place = Place::with_config(
            "[store]\ntoken = \"canary\"\ntoken_file = \"t\"\n[worker]\nagent = \"none\"\n",
        );
        mode(&place.path().join("shraga.toml"), 0o644);
        let report = Report::of(&place, &[]);
        let bad = format!("{:?}", report.bad("configuration"));
        for words in [
            "only one of them is used",
            "there is no [agents.none]",
            "others can read it",
        ] {
            assert!(bad.contains(words), "{words} in {bad}");
        }
        assert!(!report.1.to_string().contains("canary"));
        report.only("credentials", "error", &["token file"]);
    }

    #[test]
    fn wrong_dev_box_settings_are_one_warning() {
        let place = Place::new();
        let env = [
            ("DEVCENTER_ENDPOINT", "nonsense"),
            ("PROVISION_THRESHOLD", "many"),
        ];
        let report = Report::with(&place, &[], &env);
        report.only(
            "dev boxes",
            "warning",
            &["DEVCENTER_ENDPOINT", "DEVBOX_PROJECT"],
        );
    }

    #[test]
    fn a_store_that_cannot_be_reached_is_told_apart_by_step() {
        let place = Place::new();
        let token = ("DATAVERSE_TOKEN", "none");
        let nobody = "http://127.0.0.1:1";
        let report = Report::with(&place, &[], &[("DATAVERSE_URL", nobody), token]);
        assert_eq!(report.0, 1);
        let bad = format!("{:?}", report.bad("store"));
        assert!(bad.contains("takes no connection"), "{bad}");
        let nameless = "https://no-such-host.invalid";
        let report = Report::with(&place, &[], &[("DATAVERSE_URL", nameless), token]);
        let bad = format!("{:?}", report.bad("store"));
        assert!(bad.contains("is not known here"), "{bad}");
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let answers = std::thread::spawn({
            let other = other.try_clone().unwrap();
            move || other.incoming().flatten().for_each(answer_in_the_clear)
        });
        let silent = format!("https://{}", other.local_addr().unwrap());
        let report = Report::with(&place, &[], &[("DATAVERSE_URL", &silent), token]);
        let bad = format!("{:?}", report.bad("store"));
        assert!(
            bad.contains("secure") && !bad.contains("takes no connection"),
            "{bad}"
        );
        drop(answers);
    }

    fn answer_in_the_clear(mut stream: std::net::TcpStream) {
        use std::io::Write;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").ok();
    }

    #[test]
    fn a_token_that_is_not_accepted_is_told_with_what_to_do() {
        let place = Place::new();
        let _running = place.start(&["serve"]);
        std::fs::write(place.path().join("t"), "shr_wrong\n").unwrap();
        let report = Report::of(&place, &["--token-file", "t"]);
        assert_eq!(report.0, 1);
        report.only("store", "error", &["does not accept the token"]);
        assert!(!report.1.to_string().contains("shr_wrong"));
    }

    #[test]
    fn the_address_of_a_store_that_was_killed_is_named_and_removed() {
        let place = Place::new();
        place.start(&["serve"]).kill();
        let endpoint = place.data().join("endpoint.json");
        let report = Report::of(&place, &[]);
        report.only("endpoint", "warning", &["where no store listens"]);
        assert!(endpoint.exists(), "nothing is done unasked");
        let report = Report::of(&place, &["--fix"]);
        assert_eq!(report.only("endpoint", "warning", &[])["fixed"], true);
        assert!(!endpoint.exists());
    }

    #[test]
    fn a_broken_state_file_is_named_and_put_aside_whole() {
        let place = Place::new();
        let _running = place.start(&["serve"]);
        let file = place.path().join(".orchestrator_state.json");
        std::fs::write(&file, "{\"admin_user_id\": \"x").unwrap();
        let report = Report::of(&place, &[]);
        assert_eq!(report.0, 1);
        report.only("state file", "error", &[".orchestrator_state.json"]);
        let report = Report::of(&place, &["--fix"]);
        assert_eq!(report.0, 0, "{:#}", report.1);
        assert_eq!(report.only("state file", "warning", &[])["fixed"], true);
        assert!(!file.exists());
        let kept = place.path().join(".orchestrator_state.json.kept-1");
        assert_eq!(
            std::fs::read_to_string(kept).unwrap(),
            "{\"admin_user_id\": \"x"
        );
    }

    #[test]
    fn a_data_folder_that_others_can_read_is_an_error_and_made_private() {
        let place = Place::new();
        let _running = place.start(&["serve"]);
        mode(&place.data(), 0o755);
        let report = Report::of(&place, &[]);
        assert_eq!(report.0, 1);
        report.only("disk", "error", &["mode 755"]);
        let report = Report::of(&place, &["--fix"]);
        assert_eq!(report.0, 0, "{:#}", report.1);
        let left = std::fs::metadata(place.data())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(left & 0o777, 0o700);
    }

    #[test]
    fn nothing_is_changed_through_a_link_or_in_place_of_a_folder() {
        let place = Place::new();
        let target = place.path().join("target");
        std::fs::create_dir(&target).unwrap();
        mode(&target, 0o755);
        std::os::unix::fs::symlink(&target, place.data()).unwrap();
        std::fs::create_dir(place.path().join(".orchestrator_state.json")).unwrap();
        let report = Report::of(&place, &["--fix"]);
        report.only("disk", "error", &["mode 755"]);
        report.only("state file", "error", &["is a folder"]);
        let left = std::fs::metadata(&target).unwrap().permissions().mode();
        assert_eq!(left & 0o777, 0o755);
        let kept = place.path().join(".orchestrator_state.json.kept-1");
        assert!(!kept.exists());
    }

    #[test]
    fn a_folder_that_is_missing_is_made_when_asked_for() {
        let place = Place::new();
        let folder = place.path().join("elsewhere");
        let args = ["--data", "elsewhere"];
        Report::of(&place, &args).only("disk", "warning", &["does not exist"]);
        assert!(!folder.exists());
        Report::of(&place, &["--data", "elsewhere", "--fix"]);
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn agents_without_a_program_or_their_variables_are_named() {
        let place = Place::with_config(
            "[agents.gone]\nkind = \"command\"\nprogram = [\"no-such-program\"]\n\
             [agents.blind]\nkind = \"command\"\nprogram = [\"cat\"]\nenv = [\"NOT_SET_HERE\"]\n",
        );
        let report = Report::of(&place, &[]);
        let bad = format!("{:?}", report.bad("agents"));
        for words in [
            "no program `no-such-program`",
            "NOT_SET_HERE, which is not set",
        ] {
            assert!(bad.contains(words), "{words} in {bad}");
        }
        report.only(
            "sandbox",
            "warning",
            &["OS user tester", "without a sandbox"],
        );
    }

    #[test]
    fn reports_that_were_not_sent_are_counted() {
        let place = Place::new();
        let outbox = place.data().join("work/bench/outbox");
        std::fs::create_dir_all(&outbox).unwrap();
        std::fs::write(outbox.join("00000001.json"), "x").unwrap();
        std::fs::write(outbox.join("00000002.json.spoiled"), "x").unwrap();
        let report = Report::of(&place, &[]);
        let bad = format!("{:?}", report.bad("outbox"));
        assert!(
            bad.contains("1 reports in") && bad.contains("can't be read"),
            "{bad}"
        );
    }

    #[test]
    fn git_that_is_missing_or_a_checkout_that_is_none_is_a_warning() {
        let place = Place::with_config("[update]\nrepo = \".\"\n");
        // Tests look for no newer versions unless they say so.
        let look = ("SHRAGA_UPDATE_MINUTES", "10");
        let report = Report::with(&place, &[], &[look]);
        report.only("git", "warning", &["no git checkout"]);
        let report = Report::with(&place, &[], &[look, ("PATH", "/nonexistent")]);
        report.only("git", "warning", &["git is not installed"]);
    }

    #[test]
    fn a_clock_that_is_off_is_named() {
        let place = Place::new();
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        std::thread::spawn(move || old_store(&server));
        let env = [("DATAVERSE_URL", url.as_str()), ("DATAVERSE_TOKEN", "none")];
        let report = Report::with(&place, &[], &env);
        report.only("clock", "warning", &["ahead of the store's"]);
        report.only("limits", "warning", &["12 requests", "3 s of execution"]);
    }

    /// A store whose clock stopped in 1994 and whose budget is used up; it answers everything.
    fn old_store(server: &std::net::TcpListener) {
        use std::io::{BufRead, BufReader, Write};
        for stream in server.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
            let (status, body) = match first {
                who if who.contains("WhoAmI") => (
                    "200 OK",
                    "{\"UserId\": \"00000000-0000-0000-0000-000000000001\"}",
                ),
                info if info.contains("/api/shraga") => ("404 Not Found", "{}"),
                _ => ("200 OK", "{\"value\": []}"),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\
                 x-ms-ratelimit-burst-remaining-xrm-requests: 12\r\n\
                 x-ms-ratelimit-time-remaining-xrm-requests: 3.20\r\n\r\n{body}",
                body.len()
            );
            (&stream).write_all(answer.as_bytes()).ok();
        }
    }

    #[test]
    fn people_read_what_is_wrong_and_below_it_what_to_do() {
        let place = Place::with_config(
            "[agents.gone]\nkind = \"command\"\nprogram = [\"no-such-program\"]\n",
        );
        let _running = place.start(&["serve"]);
        until("the store is there", || place.run(&["list"]).code == 0);
        let ran = place.run(&["doctor"]);
        ran.fails(1, &["1 broken"]);
        let lines: Vec<&str> = ran.out.lines().collect();
        let at = lines.iter().position(|line| line.starts_with("✗ agents"));
        let fix = lines[at.unwrap() + 1].trim_start();
        assert!(fix.starts_with("fix: install it"), "{}", ran.out);
        assert!(!ran.out.contains('\u{1b}'));
    }
}

#[cfg(test)]
mod common;
