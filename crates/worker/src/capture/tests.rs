use uuid::Uuid;

use super::*;

struct Bench {
    news: mpsc::Receiver<News>,
    capture: Option<Capture>,
}

impl Bench {
    fn new() -> Self {
        let (sender, news) = mpsc::channel(1);
        let mirror = MirrorId::new(Uuid::from_u128(2));
        let plain = Listener::Plain(crate::lines::Lines::default());
        let capture = Some(Capture::new(mirror, sender, plain));
        Self { news, capture }
    }

    fn prints(&mut self, bytes: &[u8]) {
        self.capture.as_mut().unwrap().take(Pipe::Out, bytes);
    }

    fn complains(&mut self, bytes: &[u8]) {
        self.capture.as_mut().unwrap().take(Pipe::Err, bytes);
    }

    fn told(&mut self) -> Vec<String> {
        match self.news.try_recv() {
            Ok(News::Lines(_, lines)) => lines,
            Ok(News::Checkpoint(..) | News::Ended(..)) | Err(_) => Vec::new(),
        }
    }

    fn finish(&mut self) -> Captured {
        self.capture.take().unwrap().finish()
    }
}

#[test]
fn output_is_the_result_and_its_lines_are_told_as_they_come() {
    let mut bench = Bench::new();
    bench.prints(b"one\ntw");
    assert_eq!(bench.told(), ["one"]);
    bench.prints(b"o\n");
    assert_eq!(bench.told(), ["two"]);
    bench.complains(b"hm\n");
    bench.prints(b"last");
    let captured = bench.finish();
    assert_eq!(captured.result, "one\ntwo\nlast");
    assert_eq!((captured.complaint.as_str(), captured.bytes), ("hm\n", 12));
    assert_eq!(captured.rest, ["last"]);
}

#[tokio::test]
async fn a_reader_of_logs_waits_for_a_busy_driver_and_loses_no_line() {
    let mut bench = Bench::new();
    bench.prints(b"first\n");
    let flood = "x".repeat(1023) + "\n";
    for _ in 0..300 {
        bench.prints(flood.as_bytes());
    }
    let mut capture = bench.capture.take().unwrap();
    let waits = tokio::spawn(async move {
        capture.room().await;
        capture
    });
    assert_eq!(bench.told(), ["first"]);
    bench.capture = Some(waits.await.unwrap());
    assert_eq!(bench.told().len(), 300);
    bench.prints(b"last\n");
    assert_eq!(bench.told(), ["last"]);
}

#[test]
fn a_long_result_keeps_its_end_within_the_column_and_says_so() {
    let mut bench = Bench::new();
    for _ in 0..70 {
        bench.prints("\u{fc}".repeat(5_000).as_bytes());
    }
    bench.prints(b"the end");
    let captured = bench.finish();
    assert_eq!(captured.result.encode_utf16().count(), limits::MEMO_UNITS);
    assert!(captured.result.starts_with('…') && captured.result.ends_with("\u{fc}the end"));
}
