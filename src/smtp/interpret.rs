//! The reply rules as the dialogue's interpreter.

use super::{Classifier, Explanation, Interpret, Reply, ReplyView, Stage};
use crate::address::DomainName;

impl Interpret for Classifier {
    fn explain(&self, stage: Stage, exchanger: &DomainName, reply: &Reply) -> Explanation {
        Classifier::explain(
            self,
            &ReplyView {
                code: Some(reply.code),
                enhanced: reply.enhanced,
                text: &reply.text(),
                stage: Some(stage),
                exchanger: Some(exchanger.as_str()),
            },
        )
    }
}
