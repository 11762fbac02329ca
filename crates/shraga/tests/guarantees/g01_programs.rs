//! Guarantee 1: programs. Every external program (git, an agent, `az`) is started through one module, with a
//! deadline, bounded output, and its whole process group is ended when the deadline passes.
