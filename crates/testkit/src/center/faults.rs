//! What can be wrong with a Dev Center, as data.

/// A fault, in force from when it is set until all are healed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It takes requests and never answers.
    Hangs,
    /// It can't be reached, with these words of the transport (in this process only).
    Away(&'static str),
    /// 401 to every token.
    SignIn,
    /// 403 to everything.
    Denied,
    /// Whoever signs in may look, and not make a box; asked beforehand, its abilities say so.
    MayNotMake,
    /// The same, though its abilities say that it may.
    Misleads,
    /// The project is not there.
    NoProject,
    /// The pool is not there.
    NoPool,
    /// 409 to every wish for a box, with the words of a full region.
    NoRoom,
    /// 422 to every wish for a box.
    Refuses,
    /// 429 to everything, with this `Retry-After` in seconds, if any.
    Throttles(Option<u32>),
    /// 500 to everything.
    Fails,
    /// Operations that are under way or begin now never end.
    NeverEnds,
    /// Operations that end now have failed, and a box that was being made is `Failed`.
    Spoils,
    /// A box that is made now is not there, although its making has succeeded.
    Vanishes,
    /// Every box is in this state that nobody knows.
    Unheard(&'static str),
    /// No box has a power state.
    Powerless,
    /// Answers begin as JSON and end in the middle.
    Garbles,
    /// Operations are to be asked after at another host.
    Lures,
    /// Customization tasks that run now wait for the person.
    WantsPerson,
    /// Customization tasks that run now fail.
    CantInstall,
    /// Requests for customization groups get lost on their way.
    LosesWishes,
    /// They arrive, and their answers get lost.
    LosesAnswers,
}
