//! What lies before a list that was not begun: its work at each provider.

use std::collections::{BTreeMap, HashMap};

use super::batches::Batches;
use super::forecasts::look_up;
use crate::campaign::GroupTally;
use crate::campaign::eta::{DestinationWork, Pace};

impl Batches {
    /// The work at each provider of a list that was not begun, from its domains with the most
    /// rows, or at each domain whose provider DNS does not tell within a second; the most first.
    pub async fn prospect(&self, domains: &[GroupTally]) -> Vec<DestinationWork> {
        let now = self.context.clock.now();
        let found = look_up(&self.context, domains, &HashMap::new(), now).await;
        let known: HashMap<String, String> = found.into_iter().collect();
        let mut work: BTreeMap<String, DestinationWork> = BTreeMap::new();
        for domain in domains.iter().filter(|domain| !domain.group.is_empty()) {
            let name = known.get(&domain.group).unwrap_or(&domain.group);
            let entry = work.entry(name.clone()).or_default();
            entry.open += domain.rows;
            entry.domains += 1;
        }
        DestinationWork::list(work)
    }

    /// The limits on what a destination is asked.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.forecasts.pace()
    }
}
