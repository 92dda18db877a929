//! `math.random`: the same numbers in every run, on every machine, with every version of the interpreter.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, Table, Variadic};

const SEED: u64 = 0x6c75_616b_6974;

pub(super) fn install(lua: &Lua, math: &Table) -> mlua::Result<()> {
    let state = Rc::new(Cell::new(SEED));
    let seeded = Rc::clone(&state);
    let random = lua.create_function(move |_, args: Variadic<f64>| {
        let (low, high) = match args.as_slice() {
            [] => return Ok(unit(next(&state))),
            [high] => (1.0, high.floor()),
            [low, high] => (low.floor(), high.floor()),
            _ => return Err(mlua::Error::runtime("wrong number of arguments to 'random'")),
        };
        let size = high - low + 1.0;
        if !(1.0..=9_007_199_254_740_992.0).contains(&size) {
            return Err(mlua::Error::runtime("bad arguments to 'random': interval is empty"));
        }
        Ok(low + (unit(next(&state)) * size).floor())
    })?;
    let seed = lua.create_function(move |_, seed: f64| {
        seeded.set(seed.to_bits() ^ SEED);
        Ok(())
    })?;
    math.raw_set("random", random)?;
    math.raw_set("randomseed", seed)
}

/// `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>.
fn next(state: &Cell<u64>) -> u64 {
    state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
    let mut z = state.get();
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number from 0 to 1, 1 excluded.
#[allow(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
