//! The queue in memory keeps to what every queue keeps to.

use crate::batch::queue::Queue;
use crate::queue_tests::memory::MemoryQueue;
use crate::queue_tests::{self, Backend};

struct Memory;

impl Backend for Memory {
    fn open(&self) -> Box<dyn Queue> {
        Box::new(MemoryQueue::default())
    }

    fn is_durable(&self) -> bool {
        false
    }
}

queue_tests::suite!(Memory);
