//! Memory limits are read from directories that look like real machines.

use std::fs;
use std::path::Path;

use super::*;

/// A machine of 8 GiB whose other files are given as (path, text).
fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let meminfo = ("proc/meminfo", "MemTotal:        8388608 kB\nMemFree:          123 kB\n");
    for (path, text) in files.iter().chain([&meminfo]) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn check(claim: &str, files: &[(&str, &str)], total_mib: u64) {
    let root = machine(files);
    assert_eq!(total_memory(root.path()).unwrap() >> 20, total_mib, "{claim}");
}

#[test]
fn total_memory_is_the_lowest_limit() {
    const V2: (&str, &str) = ("proc/self/cgroup", "0::/system.slice/leveret.service\n");
    const V1: (&str, &str) = ("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n");
    check("no control groups", &[], 8192);
    check("an unlimited group", &[V2, ("sys/fs/cgroup/system.slice/memory.max", "max\n")], 8192);
    check(
        "the group's own limit",
        &[V2, ("sys/fs/cgroup/system.slice/leveret.service/memory.max", "1073741824\n")],
        1024,
    );
    check(
        "a limit above the group",
        &[
            V2,
            ("sys/fs/cgroup/system.slice/leveret.service/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "536870912\n"),
        ],
        512,
    );
    check(
        "a container's root",
        &[("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "268435456\n")],
        256,
    );
    check(
        "version 1",
        &[V1, ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "2147483648\n")],
        2048,
    );
    check(
        "version 1 in a container that does not see the host's path",
        &[V1, ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n")],
        2048,
    );
    check(
        "version 1 without a limit",
        &[V1, ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")],
        8192,
    );
}

#[test]
fn resident_memory_is_the_second_number_in_pages() {
    let root = machine(&[("proc/self/statm", "5000 300 200 1 0 400 0\n")]);
    let page = rustix::param::page_size() as u64;
    assert_eq!(resident_memory(root.path()).unwrap(), 300 * page);
}

#[test]
fn this_machine_answers() {
    let root = root();
    assert!(total_memory(&root).unwrap() > 64 << 20);
    assert!(resident_memory(&root).unwrap() > 100 << 10);
    assert!(free_disk(Path::new(".")).unwrap() > 0);
    assert!(open_files(&root).unwrap() > 2);
    assert!(raise_open_files_max() > 2);
}

#[test]
fn watermarks_are_fractions_or_sizes() {
    let mark = |text| Watermark::parse(text).map(|mark| mark.bytes(1000));
    assert_eq!(mark("0.4"), Ok(400));
    assert_eq!(mark("1"), Ok(1000));
    assert_eq!(mark("0"), Ok(0));
    assert_eq!(mark("2MiB"), Ok(2 << 20));
    assert_eq!(mark("500000"), Ok(500_000));
    for text in ["1.5", "-0.1", "40%", "much"] {
        assert!(mark(text).is_err(), "{text}");
    }
}
