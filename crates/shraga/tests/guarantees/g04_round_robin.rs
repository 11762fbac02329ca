//! Guarantee 4: shared workers take turns, fairly after restarts and with several orchestrators. One that is full,
//! draining or suspect is passed over, and an assignment that failed uses up no turn.
