//! `Math.random`. The engine's own is seeded when the engine is made, so that all processes that are forked from a template
//! would draw the same numbers.

use std::{cell::Cell, rc::Rc};

use rquickjs::{Ctx, Function, Object, Result, object::Property};

use super::state::State;

/// Draws numbers: xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", 2016), as the
/// engine does.
#[derive(Default)]
pub(super) struct Random {
    /// 0 before the first number.
    state: Cell<u64>,
}

impl Random {
    /// Even in 0..1, with 53 bits.
    fn next(&self) -> f64 {
        let mut state = match self.state.get() {
            0 => seed(),
            state => state,
        };
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.state.set(state);
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Defines it.
pub(super) fn install<'js>(ctx: &Ctx<'js>, state: &Rc<State>) -> Result<()> {
    let state = Rc::clone(state);
    let random = Function::new(ctx.clone(), move || state.random.next())?.with_name("random")?;
    ctx.globals().get::<_, Object<'js>>("Math")?.prop("random", Property::from(random).writable().configurable())
}

fn seed() -> u64 {
    let mut bytes = [0; 8];
    // Without it, the numbers are the same each time.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes).max(1)
}
