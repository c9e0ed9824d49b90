//! Parsing, building and writing messages allocates nothing.

// The trait of an allocator is unsafe; this one hands everything on to the system's.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use iso8583::{Dialect, Message, Mti};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came; counting touches no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps to the rules of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block comes from `alloc` above, which had it from the system.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as `dealloc`.
        unsafe { System.realloc(block, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn neither_reading_nor_writing_allocates() {
    let values: Vec<(u8, &[u8])> = vec![
        (2, b"9704990012030000017"),
        (3, b"010000"),
        (4, b"000002000000"),
        (7, b"0315021531"),
        (11, b"004711"),
        (32, b"970418"),
        (35, b"9704990012030000017=2912"),
        (37, b"607409000123"),
        (41, b"HN000017"),
        (43, b"1 TRANG TIEN          HA NOI        VN  "),
        (52, &[0x8F; 8]),
        (97, b"C0000000000000001"),
        (112, &[0xE1; 300]),
        (128, &[0xA1; 8]),
    ];
    for dialect in Dialect::all_built_in() {
        let mut out = Vec::with_capacity(2048);
        let mut message = Message::new(Mti::new(200));
        for &(element, value) in &values {
            message.set(element, value);
        }
        let build = allocations(|| {
            assert_eq!(dialect.build(Mti::new(200), &values, &mut out), Ok(()));
        });
        let bytes = out.clone();
        let encode = allocations(|| {
            out.clear();
            message.clear(Mti::new(200));
            for &(element, value) in &values {
                message.set(element, value);
            }
            assert_eq!(dialect.encode(&message, &mut out), Ok(()));
        });
        let parse = allocations(|| {
            let view = dialect.parse(&bytes).expect("the message is good");
            assert_eq!(view.raw(128), Some(&[0xA1; 8][..]));
            assert!(dialect.parse(&bytes[1..]).is_err());
            assert!(dialect.parse(&bytes[..bytes.len() - 1]).is_err());
        });
        assert_eq!(bytes, out);
        assert_eq!([build, encode, parse], [0; 3], "{}", dialect.name());
    }
    assert_eq!(allocations(|| drop(vec![1u8])), 1, "the allocator counts");
}
