//! Thresholds: from a share of hard bounces to its consequence for a sender.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::share::{Percent, Share};

/// The thresholds as configuration says them. They are held against each other only by
/// [`Thresholds::try_from`], because each of them may come from another place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Up to this share of hard bounces, in per cent, a list is healthy. 0 to 100. Default 2.
    pub healthy: Percent,
    /// From this share on, in per cent, mailbox providers and sending services look into a sender.
    /// 0 to 100, more than `healthy`. Default 5.
    pub review: Percent,
    /// From this share on, in per cent, they stop a sender. 0 to 100, more than `review`.
    /// Default 10.
    pub pause: Percent,
}

impl Default for Config {
    fn default() -> Self {
        Self { healthy: Percent::whole(2), review: Percent::whole(5), pause: Percent::whole(10) }
    }
}

/// Thresholds that fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    healthy: Percent,
    review: Percent,
    pause: Percent,
}

/// The thresholds do not ascend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "preflight.healthy ({healthy}), preflight.review ({review}) and preflight.pause ({pause}) must \
     ascend: make each more than the one before"
)]
pub struct ThresholdsError {
    healthy: Percent,
    review: Percent,
    pause: Percent,
}

impl TryFrom<Config> for Thresholds {
    type Error = ThresholdsError;

    fn try_from(config: Config) -> Result<Self, ThresholdsError> {
        let Config { healthy, review, pause } = config;
        if healthy < review && review < pause {
            Ok(Self { healthy, review, pause })
        } else {
            Err(ThresholdsError { healthy, review, pause })
        }
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        let Config { healthy, review, pause } = Config::default();
        Self { healthy, review, pause }
    }
}

impl Thresholds {
    /// Up to this share a list is healthy.
    #[must_use]
    pub fn healthy(&self) -> Percent {
        self.healthy
    }

    /// From this share on a sender is looked into.
    #[must_use]
    pub fn review(&self) -> Percent {
        self.review
    }

    /// From this share on a sender is stopped.
    #[must_use]
    pub fn pause(&self) -> Percent {
        self.pause
    }

    /// The band `share` is in. A share of nothing is healthy: nothing bounces.
    #[must_use]
    pub fn band(&self, share: Share) -> Band {
        if share.of == 0 || share.cmp_percent(self.healthy) != Ordering::Greater {
            Band::Healthy
        } else if share.cmp_percent(self.review) == Ordering::Less {
            Band::Elevated
        } else if share.cmp_percent(self.pause) == Ordering::Less {
            Band::Review
        } else {
            Band::Pause
        }
    }
}

/// The consequence of a share of hard bounces for a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Band {
    /// Not more than the healthy threshold.
    Healthy,
    /// More than that, and below the review threshold.
    Elevated,
    /// The review threshold or more: providers look into the sender.
    Review,
    /// The pause threshold or more: providers stop the sender.
    Pause,
}

impl Band {
    /// Every band, the best one first.
    pub const ALL: [Self; 4] = [Self::Healthy, Self::Elevated, Self::Review, Self::Pause];

    /// The band's name, in lower snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Elevated => "elevated",
            Self::Review => "review",
            Self::Pause => "pause",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_the_bands_belong_where_the_words_say() {
        let thresholds = Thresholds::default();
        let cases = [
            (0, Band::Healthy),
            (200, Band::Healthy),
            (201, Band::Elevated),
            (499, Band::Elevated),
            (500, Band::Review),
            (999, Band::Review),
            (1000, Band::Pause),
            (10_000, Band::Pause),
        ];
        for (count, band) in cases {
            assert_eq!(thresholds.band(Share { count, of: 10_000 }), band, "{count}");
        }
        assert_eq!(thresholds.band(Share { count: 0, of: 0 }), Band::Healthy);
    }

    #[test]
    fn thresholds_that_do_not_ascend_are_refused_by_name() {
        let config = Config { review: Percent::whole(10), ..Config::default() };
        let error = Thresholds::try_from(config).unwrap_err().to_string();
        assert!(error.contains("preflight.review (10 %)") && error.contains("ascend"), "{error}");
        assert_eq!(Thresholds::try_from(Config::default()), Ok(Thresholds::default()));
    }

    #[test]
    fn thresholds_are_numbers_in_the_configuration() {
        let config: Config = toml::from_str("healthy = 1.5\nreview = 4\n").unwrap();
        assert_eq!(f64::from(config.healthy), 1.5);
        assert_eq!(config.review, Percent::whole(4));
        assert!(toml::from_str::<Config>("pause = 101").is_err());
        assert!(toml::from_str::<Config>("paus = 10").is_err());
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config);
    }
}
