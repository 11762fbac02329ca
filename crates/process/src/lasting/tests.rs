//! Real programs (this test program, started again) that outlive the handle they were started with.

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::supervise::this_program;
use crate::tests::HANG;

/// Not a test of anything: what the others start. Takes the folder it is told of, ends when asked.
#[tokio::test]
#[ignore = "the other tests start it"]
async fn program() {
    let here = std::env::current_dir().unwrap();
    let about = BTreeMap::from([("url".to_owned(), "http://x".to_owned())]);
    match enroll(&here, about).await {
        Ok(_enrolled) => os::Signals::watch().unwrap().told().await,
        Err(error) => println!("{error}"),
    }
}

/// Not a test of anything: prints two lines, and two more when told to; then ends.
#[tokio::test]
#[ignore = "the other tests start it"]
async fn talker() {
    let here = std::env::current_dir().unwrap();
    let _enrolled = enroll(&here, BTreeMap::new()).await.unwrap();
    println!("first\nsecond");
    fs::write(here.join("said"), "").unwrap();
    os::Signals::watch().unwrap().told().await;
    println!("third\nfourth");
}

fn order(folder: &TempDir) -> Order {
    order_of(folder, "lasting::tests::program")
}

fn order_of(folder: &TempDir, test: &str) -> Order {
    let args = ["--ignored", "--exact", test, "--nocapture"];
    Order {
        argv: this_program(&std::env::current_exe().expect("it runs"), &args),
        dir: folder.path().to_owned(),
        env: BTreeMap::new(),
        folder: folder.path().to_owned(),
    }
}

/// Waits until nothing runs there.
async fn ended(folder: &Path) -> Record {
    let gone = async {
        loop {
            match look(folder) {
                State::Ended(record) => return record,
                State::Never | State::Lives(_) => after(STEP).await,
            }
        }
    };
    timeout(HANG, gone).await.expect("it goes on")
}

#[tokio::test]
async fn a_program_is_found_by_its_folder_and_ends_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(look(folder.path()), State::Never);
    let record = start(&order(&folder)).await.unwrap();
    assert_eq!(record.about["url"], "http://x");
    assert_eq!(look(folder.path()), State::Lives(record.clone()));
    record.ask();
    assert_eq!(ended(folder.path()).await, record);
}

#[tokio::test]
async fn starting_it_twice_is_starting_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(&order(&folder)).await.unwrap();
    let second = start(&order(&folder)).await.unwrap();
    assert_eq!(first, second);
    // Somebody who lost the record starts another: it finds the folder taken and says so.
    fs::remove_file(folder.path().join(RECORD)).unwrap();
    let error = start(&order(&folder)).await.unwrap_err();
    assert!(
        error.to_string().contains("another process runs in"),
        "{error}"
    );
    assert!(first.end().await);
}

#[tokio::test]
async fn a_killed_one_is_known_to_be_gone_and_can_be_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(&order(&folder)).await.unwrap();
    assert!(first.end().await);
    assert_eq!(ended(folder.path()).await, first);
    let second = start(&order(&folder)).await.unwrap();
    assert_ne!(first.process, second.process);
    assert!(folder.path().join(OLD_LOG).exists());
    // What is recorded of the first is no reason to touch the second.
    first.ask();
    assert!(first.end().await);
    assert_eq!(look(folder.path()), State::Lives(second.clone()));
    assert!(second.end().await);
}

#[tokio::test]
async fn one_that_ends_at_once_tells_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let script = ["sh", "-c", "echo no agent is configured >&2; exit 2"];
    let order = Order {
        argv: script.map(str::to_owned).to_vec(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        ..order(&folder)
    };
    let error = start(&order).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "it ended at once: no agent is configured"
    );
    let missing = Order {
        argv: vec!["/nowhere/program".to_owned()],
        ..order
    };
    let error = start(&missing).await.unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/program could not be started");
}

#[tokio::test]
async fn a_log_that_grew_too_long_is_made_anew_while_its_program_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let record = start(&order_of(&folder, "lasting::tests::talker"))
        .await
        .unwrap();
    let said = async {
        while !here.join("said").exists() {
            after(STEP).await;
        }
    };
    timeout(HANG, said).await.expect("it speaks");
    assert!(!trim(here, LOG_BYTES_MAX).unwrap(), "it is short");
    assert!(trim(here, 3).unwrap());
    let old = fs::read_to_string(here.join(OLD_LOG)).unwrap();
    assert!(old.contains("first\nsecond"), "{old}");
    assert_eq!(fs::metadata(here.join(LOG)).unwrap().len(), 0);
    record.ask();
    ended(here).await;
    let log = fs::read_to_string(here.join(LOG)).unwrap();
    assert!(log.starts_with("third\nfourth"), "{log:?}");
}
