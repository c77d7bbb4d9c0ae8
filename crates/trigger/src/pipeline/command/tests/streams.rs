//! Much input, much output, and commands that care for neither.

use super::*;

/// More than any pipe holds.
const MUCH: usize = 8 << 20;

fn much() -> Run {
    let mut run = run_of(b"");
    run.rendered.body = (0..MUCH).map(|at| at as u8).collect();
    run
}

async fn reply_to(text: &str, run: &Run) -> Bytes {
    let mut script = Script::new(text);
    script.config.max_output_bytes = Size(2 * MUCH as u64);
    let outcome = script.run(run).await;
    assert_eq!(outcome.verdict, Verdict::Done);
    outcome.reply.unwrap().body
}

#[tokio::test]
async fn what_goes_in_and_out_at_once_arrives_whole() {
    let run = much();
    assert!(reply_to("cat", &run).await == run.rendered.body);
}

#[tokio::test]
async fn a_command_need_not_read() {
    for text in ["exit 0", "exec <&-; echo done", "head -c 10 >/dev/null"] {
        reply_to(text, &much()).await;
    }
}

#[tokio::test]
async fn a_command_may_write_before_it_reads() {
    let text = format!("head -c {MUCH} /dev/zero; head -c 100000 /dev/zero >&2; wc -c");
    let reply = reply_to(&text, &much()).await;
    let (zeros, count) = reply.split_at(MUCH);
    assert!(zeros.iter().all(|byte| *byte == 0));
    assert_eq!(str::from_utf8(count).unwrap().trim(), MUCH.to_string());
}

#[tokio::test]
async fn output_beyond_the_limit_is_read_and_forgotten() {
    let mut script = Script::new("head -c 100000000 /dev/zero; echo $? > code");
    script.config.max_output_bytes = Size(1_000);
    let outcome = script.run(&run_of(b"")).await;
    assert_eq!(outcome.verdict, Verdict::Done);
    assert_eq!(outcome.reply.unwrap().body, vec![0; 1_000]);
    assert_eq!(script.read("code"), "0\n");
}

#[tokio::test]
async fn errors_beyond_the_limit_are_read_and_forgotten() {
    for flood in ["yes no | head -n 1000000", "head -c 10000000 /dev/zero"] {
        let script = Script::new(&format!("{flood} >&2; echo $? > code; exit 75"));
        let outcome = script.run(&run_of(b"")).await;
        assert!(outcome.summary.starts_with("exit 75: "), "{}", outcome.summary);
        assert_eq!(script.read("code"), "0\n", "{flood}");
    }
}

#[tokio::test]
async fn the_last_line_of_the_errors_is_the_reason() {
    let text = "printf 'first\\nthe\\ttable \\033[1mis\\033[0m away\\n\\n' >&2; exit 75";
    let outcome = Script::new(text).run(&run_of(b"")).await;
    let expected = "exit 75: the table \u{fffd}[1mis\u{fffd}[0m away";
    assert_eq!(outcome.verdict, retry(Reason::Failed, expected));
    let outcome = Script::new("head -c 5000 /dev/zero >&2; exit 1").run(&run_of(b"")).await;
    let expected = format!("exit 1: {}", "\u{fffd}".repeat(200));
    assert_eq!(outcome.verdict, retry(Reason::Failed, &expected));
}
