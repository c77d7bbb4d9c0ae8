//! Random callers against the model, on a disk that misbehaves.

use crate::world::{World, for_seeds};

#[test]
fn running_store_agrees_with_the_model() {
    for_seeds(0..40, |seed| {
        let mut world = World::new(seed);
        for step in 0..600 {
            world.step();
            if step % 50 == 49 {
                world.check();
            }
        }
    });
}

#[test]
fn what_was_synced_survives_crashes() {
    for_seeds(1000..1040, |seed| {
        let mut world = World::new(seed);
        for _ in 0..8 {
            for _ in 0..100 {
                world.step();
            }
            match world.dice.below(4) {
                0 => world.close_and_open(),
                1 => world.restart(false),
                _ => world.restart(true),
            }
        }
    });
}
