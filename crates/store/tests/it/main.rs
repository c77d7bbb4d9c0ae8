//! The store on a real disk, with its threads.

mod disk;
