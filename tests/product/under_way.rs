//! Many verifications under way in one task, as a stream has them.

use std::pin::pin;

use futures_util::StreamExt as _;
use futures_util::poll;
use futures_util::stream::FuturesUnordered;
use mailvet::verifier::{Depth, Options};

use crate::product::Product;

#[tokio::test]
async fn a_task_with_thousands_under_way_lets_others_have_their_turn_even_if_none_has_to_wait() {
    let product = Product::start().await;
    let options = Options {
        depth: Depth::Syntax,
        max_age: None,
        test_catch_all: true,
        transcript: false,
        deadline: product.app.clock.now(),
        retry_until: product.app.clock.now(),
    };
    {
        let verifying = async |n| {
            product.app.verifier.verify(&format!("user{n}@company.example"), &options).await
        };
        let under_way: FuturesUnordered<_> = (0..2_000).map(verifying).collect();
        let mut all = pin!(under_way.count());
        assert!(poll!(all.as_mut()).is_pending());
        assert_eq!(all.await, 2_000);
    }
    product.stop().await;
}
