//! Files of octets as they come from a peer, in `corpus/good` and `corpus/bad`, each with a listing of what
//! a decoder makes of it, at every cut. A file's name begins with the version it is read in: `v12-….stomp`.
//!
//! With `STOMPBOX_BLESS=1` in the environment listings are written instead of compared; read the difference.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use stompbox_frames::stomp::{Decoder, Limits, Version};

/// Small, so that files at and above the limits are too.
const LIMITS: Limits =
    Limits { frame_bytes_max: 512, header_count_max: 8, header_bytes_max: 64, to_bytes_max: 0 };

struct Case {
    path: PathBuf,
    version: Version,
    octets: Vec<u8>,
}

fn cases(kind: &str) -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(kind);
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "stomp"));
    paths.sort();
    paths.into_iter().map(case).collect()
}

fn case(path: PathBuf) -> Case {
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    let version = match &name[..4] {
        "v10-" => Version::V1_0,
        "v11-" => Version::V1_1,
        "v12-" => Version::V1_2,
        other => panic!("{name} begins with {other}, which is no version"),
    };
    let octets = std::fs::read(&path).expect("a readable file");
    Case { path, version, octets }
}

/// What a decoder makes of the pieces, one after the other.
fn listing(version: Version, pieces: &[&[u8]]) -> String {
    let mut decoder = Decoder::new(LIMITS);
    decoder.set_version(version);
    let mut out = String::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next() {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    writeln!(out, "{}", frame.command).expect("a String");
                    for (name, value) in frame.headers.iter() {
                        writeln!(out, "  {name:?} = {value:?}").expect("a String");
                    }
                    writeln!(out, "  body \"{}\"", frame.body.escape_ascii()).expect("a String");
                }
                Err(error) => {
                    let (limit, receipt) = (error.limit, &error.receipt);
                    writeln!(
                        out,
                        "error: {}\n  {}\n  limit {limit:?}, receipt {receipt:?}",
                        error.summary, error.detail
                    )
                    .expect("a String");
                    return out;
                }
            }
        }
    }
    if decoder.buffered() > 0 {
        writeln!(out, "incomplete: {} octets", decoder.buffered()).expect("a String");
    }
    out
}

fn compare_with_listings(kind: &str, holds: impl Fn(&str) -> bool) {
    let cases = cases(kind);
    assert!(cases.len() >= 25, "{} files in corpus/{kind}", cases.len());
    let bless = std::env::var_os("STOMPBOX_BLESS").is_some();
    for case in cases {
        let got = listing(case.version, &[&case.octets]);
        let path = case.path.with_extension("listing");
        assert!(holds(&got), "{} is not {kind}:\n{got}", case.path.display());
        if bless {
            std::fs::write(&path, &got).expect("a writable listing");
        }
        let expected = std::fs::read_to_string(&path).expect("a listing next to each file");
        assert_eq!(got, expected, "{}", case.path.display());
    }
}

#[test]
fn good_files_give_the_frames_that_are_listed() {
    compare_with_listings("good", |listing| !listing.contains("error: "));
}

#[test]
fn bad_files_give_the_error_that_is_listed() {
    compare_with_listings("bad", |listing| listing.contains("error: "));
}

#[test]
fn every_cut_gives_the_same_frames_or_the_same_error() {
    for case in cases("good").into_iter().chain(cases("bad")) {
        let whole = listing(case.version, &[&case.octets]);
        let octets: Vec<&[u8]> = case.octets.chunks(1).collect();
        assert_eq!(listing(case.version, &octets), whole, "{} octet by octet", case.path.display());
        for at in 0..=case.octets.len() {
            let (one, two) = case.octets.split_at(at);
            assert_eq!(listing(case.version, &[one, two]), whole, "{} cut at {at}", case.path.display());
        }
    }
}

#[test]
fn every_beginning_of_a_good_file_is_good() {
    for case in cases("good") {
        for end in 0..case.octets.len() {
            let got = listing(case.version, &[&case.octets[..end]]);
            assert!(!got.contains("error: "), "{} up to {end}: {got}", case.path.display());
        }
    }
}
