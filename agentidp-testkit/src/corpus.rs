//! The seeds of the fuzz targets, replayed without a fuzzer.

use std::path::PathBuf;

/// Places at which each seed is cut off and changed: the fuzzer itself tries all of them.
const PLACES: usize = 24;

/// The seeds of a fuzz target.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files = std::fs::read_dir(folder).expect("a corpus");
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        std::fs::read(file.expect("a file").path()).expect("a seed")
    };
    let seeds: Vec<_> = files.map(read).collect();
    assert!(!seeds.is_empty(), "no seeds of {target}");
    seeds
}

/// Hands `check` every seed of a fuzz target, and each of them with a byte changed or cut off.
pub fn replay(target: &str, check: impl Fn(&[u8])) {
    for seed in seeds(target) {
        check(&seed);
        for at in (0..seed.len()).step_by(1 + seed.len() / PLACES) {
            let (begin, _) = seed.split_at(at);
            check(begin);
            let mut changed = seed.clone();
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 0x21;
            }
            check(&changed);
        }
    }
}
