//! Decodes the files in `corpus/good` and `corpus/bad`, at every split. Compares the result with the listing next to
//! each file. A file contains input from a peer. Its name begins with its STOMP version: `v12-….stomp`.
//!
//! With `STOMPBOX_BLESS=1` in the environment, the test writes the listings instead. Review the difference.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use stompbox_frames::stomp::{Decoder, Limits, Version};

/// The limits are small, so that the files that reach or exceed them are small, too.
const LIMITS: Limits =
    Limits { frame_bytes_max: 512, header_count_max: 8, header_bytes_max: 64, to_bytes_max: 0 };

struct Case {
    path: PathBuf,
    version: Version,
    bytes: Vec<u8>,
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
        other => panic!("{name} begins with {other}; expected v10-, v11- or v12-"),
    };
    let bytes = std::fs::read(&path).expect("a readable file");
    Case { path, version, bytes }
}

/// Decodes the pieces in order. Returns the frames and the error as text.
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
        writeln!(out, "incomplete: {} bytes", decoder.buffered()).expect("a String");
    }
    out
}

fn compare_with_listings(kind: &str, is_expected: impl Fn(&str) -> bool) {
    let cases = cases(kind);
    assert!(cases.len() >= 25, "{} files in corpus/{kind}", cases.len());
    let bless = std::env::var_os("STOMPBOX_BLESS").is_some();
    for case in cases {
        let got = listing(case.version, &[&case.bytes]);
        let path = case.path.with_extension("listing");
        assert!(is_expected(&got), "{} is not {kind}:\n{got}", case.path.display());
        if bless {
            std::fs::write(&path, &got).expect("a writable listing");
        }
        let expected = std::fs::read_to_string(&path).expect("a listing next to each file");
        assert_eq!(got, expected, "{}", case.path.display());
    }
}

#[test]
fn good_files_decode_to_the_listed_frames() {
    compare_with_listings("good", |listing| !listing.contains("error: "));
}

#[test]
fn bad_files_give_the_listed_error() {
    compare_with_listings("bad", |listing| listing.contains("error: "));
}

#[test]
fn decoding_is_the_same_at_every_split() {
    for case in cases("good").into_iter().chain(cases("bad")) {
        let whole = listing(case.version, &[&case.bytes]);
        let bytes: Vec<&[u8]> = case.bytes.chunks(1).collect();
        assert_eq!(listing(case.version, &bytes), whole, "{} byte by byte", case.path.display());
        for at in 0..=case.bytes.len() {
            let (one, two) = case.bytes.split_at(at);
            assert_eq!(listing(case.version, &[one, two]), whole, "{} cut at {at}", case.path.display());
        }
    }
}

#[test]
fn every_prefix_of_a_good_file_is_good() {
    for case in cases("good") {
        for end in 0..case.bytes.len() {
            let got = listing(case.version, &[&case.bytes[..end]]);
            assert!(!got.contains("error: "), "{} up to {end}: {got}", case.path.display());
        }
    }
}
