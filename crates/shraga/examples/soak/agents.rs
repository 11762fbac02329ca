//! The agents: one small program of the shell that does as its name says, and writes down that it did.
//!
//! Its record is a line when it begins and one when it ends, in a file of the task's that the store knows nothing of.

/// One kind of agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Ends at once.
    Quick,
    /// Takes some seconds.
    Slow,
    /// Prints thousands of lines.
    Chatty,
    /// Asks to be tried again, once.
    Again,
    /// Fails.
    Failing,
    /// Does not hear `SIGTERM`, and takes some seconds.
    Stubborn,
    /// Leaves a process behind that holds its output open.
    Leaver,
    /// Asks a person, if it can, and goes on with the answer.
    Asking,
    /// Works in a repository and commits there.
    Committer,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Quick,
        Self::Slow,
        Self::Chatty,
        Self::Again,
        Self::Failing,
        Self::Stubborn,
        Self::Leaver,
        Self::Asking,
        Self::Committer,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Slow => "slow",
            Self::Chatty => "chatty",
            Self::Again => "again",
            Self::Failing => "failing",
            Self::Stubborn => "stubborn",
            Self::Leaver => "leaver",
            Self::Asking => "asking",
            Self::Committer => "committer",
        }
    }

    /// The kind that a task's name begins with, after its number.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let word = name.split('-').nth(1)?;
        Self::ALL.into_iter().find(|kind| kind.name() == word)
    }

    /// Which a die of 100 sides chooses: mostly work that takes a while, which is what faults hit.
    pub(crate) const fn of_die(die: u32) -> Self {
        match die {
            0..=14 => Self::Quick,
            15..=44 => Self::Slow,
            45..=54 => Self::Committer,
            55..=64 => Self::Chatty,
            65..=72 => Self::Again,
            73..=79 => Self::Failing,
            80..=87 => Self::Stubborn,
            88..=93 => Self::Leaver,
            _ => Self::Asking,
        }
    }
}

/// The program. Its first argument is the kind; its prompt is `seconds=N`.
pub(crate) const SCRIPT: &str = r#"
kind=$1
prompt=$(cat)
seconds=${prompt##*seconds=}
seconds=${seconds%%[!0-9]*}
note() {
    echo "$(date +%s.%N) $1 ${SHRAGA_ATTEMPT:-0} $$ $SOAK_WORKER" >>"$SOAK_RECORDS/$SHRAGA_TASK_NAME"
}
note begin
case $kind in
quick) ;;
chatty)
    n=0
    while [ $n -lt 3000 ]; do
        n=$((n + 1))
        echo "line $n of $SHRAGA_TASK_NAME, with some more words to make it as long as lines are"
    done
    ;;
again)
    if [ "$(grep -c ' begin ' "$SOAK_RECORDS/$SHRAGA_TASK_NAME")" -lt 2 ]; then
        note again
        exit 75
    fi
    ;;
failing)
    note failed
    echo "it can't be done" >&2
    exit 3
    ;;
stubborn)
    trap '' TERM
    sleep "$seconds"
    ;;
leaver)
    sleep 900 &
    ;;
asking)
    if [ -n "$SHRAGA_QUESTION_FILE" ] && ! printf '%s' "$prompt" | grep -q 'the answer is'; then
        echo "what is the answer?" >"$SHRAGA_QUESTION_FILE"
        note asked
        exit 0
    fi
    ;;
committer)
    echo "$SHRAGA_TASK_NAME" >"made-$SHRAGA_ATTEMPT"
    git add . && sleep "$seconds" && git commit -q -m "attempt $SHRAGA_ATTEMPT" || exit 4
    ;;
*) sleep "$seconds" ;;
esac
note end
echo "$SHRAGA_TASK_NAME by attempt $SHRAGA_ATTEMPT in process $$"
"#;
