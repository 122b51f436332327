//! The README's programs are the examples, which are compiled, word for word.

#[test]
fn its_programs_are_the_examples() {
    let readme = include_str!("../README.md");
    let blocks: Vec<&str> = readme.split("```rust\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    let examples = [
        include_str!("../examples/quickstart.rs"),
        include_str!("../examples/durable.rs"),
        include_str!("../examples/download.rs"),
    ];
    // After a paragraph on what it does.
    let programs = examples.map(|e| e.split_once("\n\n").map_or("", |(_, program)| program));
    assert_eq!(blocks, programs);
}
