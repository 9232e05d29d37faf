//! The queue in memory keeps to what every queue keeps to.

use crate::batch::conformance::{self, Backend};
use crate::batch::memory::MemoryQueue;
use crate::batch::queue::Queue;

struct Memory;

impl Backend for Memory {
    fn open(&self) -> Box<dyn Queue> {
        Box::new(MemoryQueue::default())
    }

    fn is_durable(&self) -> bool {
        false
    }
}

conformance::suite!(Memory);
