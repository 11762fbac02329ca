use super::*;

fn checkpoint() -> Checkpoint {
    Checkpoint {
        agent: "sh".to_owned(),
        attempt: Attempt(3),
        progress: crate::stored::tests::progress(),
        answers: vec![Answered {
            asked: "which port?".to_owned(),
            answer: "80".to_owned(),
        }],
        session: Some(CarriedSession {
            session: Session {
                name: "s1".to_owned(),
                told: Usage {
                    input_tokens: 7,
                    ..Usage::NONE
                },
            },
            file: Some(b"{}\n{}\n".to_vec()),
        }),
        files: Files::Lost,
        transcript: "said".to_owned(),
    }
}

/// Bytes that don't compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn a_checkpoint_survives_its_column() {
    let checkpoint = checkpoint();
    let text = checkpoint.to_text().unwrap();
    assert_eq!(Checkpoint::read(&text), Ok(checkpoint));
}

#[test]
fn what_does_not_fit_is_left_out_in_order() {
    let mut checkpoint = checkpoint();
    let noisy = noise(600_000);
    let text: String = noisy
        .iter()
        .map(|byte| char::from(byte % 94 + 33))
        .collect();
    checkpoint.transcript = text;
    if let Some(session) = &mut checkpoint.session {
        session.file = Some(noisy.clone());
    }
    let read = Checkpoint::read(&checkpoint.to_text().unwrap()).unwrap();
    assert_eq!(read.transcript, "");
    let file = read.session.and_then(|session| session.file);
    assert_eq!(file, Some(noisy.clone()));
    checkpoint.files = Files::Repository(super::super::files::CarriedCheckout {
        base: String::new(),
        tip: String::new(),
        head: String::new(),
        bundle: Some(STANDARD.encode(noise(700_000))),
    });
    let text = checkpoint.to_text().unwrap();
    assert!(text.len() <= limits::TRANSCRIPT_UNITS, "{}", text.len());
    let read = Checkpoint::read(&text).unwrap();
    assert_eq!(read.files, checkpoint.files);
    assert_eq!(read.session.unwrap().file, None);
    checkpoint.files = Files::Repository(super::super::files::CarriedCheckout {
        base: String::new(),
        tip: String::new(),
        head: String::new(),
        bundle: Some(STANDARD.encode(noise(2_000_000))),
    });
    let read = Checkpoint::read(&checkpoint.to_text().unwrap()).unwrap();
    assert_eq!(read.files, Files::Lost);
    assert_eq!(read.progress, checkpoint.progress);
}

#[test]
fn what_is_broken_or_of_another_form_is_refused_with_words() {
    let text = checkpoint().to_text().unwrap();
    let other = text.replace("\"form\":1", "\"form\":9");
    assert_eq!(
        Checkpoint::read(&other).unwrap_err(),
        "its form 9 is not known here"
    );
    let cut = &text[..text.len() / 2];
    assert!(
        Checkpoint::read(cut)
            .unwrap_err()
            .starts_with("it can't be read")
    );
    let mut stored: Stored = serde_json::from_str(&text).unwrap();
    stored.course = "AAAA".to_owned();
    let text = serde_json::to_string(&stored).unwrap();
    assert_eq!(Checkpoint::read(&text).unwrap_err(), "its course is broken");
}

#[test]
fn a_small_text_that_unpacks_to_a_huge_one_is_refused() {
    let packed = pack(&vec![0; 65 * 1024 * 1024]).unwrap();
    assert!(packed.len() < 100_000);
    assert_eq!(
        unpack("course", &packed).unwrap_err(),
        "its course is too large"
    );
}
