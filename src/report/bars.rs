//! Bounds drawn on a scale of four bands of the same width, so that 2 % and 5 % are far enough from
//! each other to be told apart, and 100 % is still on it.

use crate::campaign::preflight::{Band, Estimate, Share, Thresholds};

/// The width of a drawing, in its own units.
pub const WIDTH: f64 = 1000.0;

/// The narrowest thing that is drawn, so that a single row of a million can be seen.
const NARROWEST: f64 = 10.0;

/// A rectangle's left edge and width, in units of a drawing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BarSpan {
    /// The left edge.
    pub x: f64,
    /// The width.
    pub width: f64,
}

/// The span from an estimate's lower bound to its upper one.
#[must_use]
pub fn range(estimate: &Estimate, thresholds: &Thresholds) -> BarSpan {
    let x = position(estimate.at_least.share, thresholds);
    let end = position(estimate.at_most.share, thresholds);
    let width = (end - x).max(NARROWEST);
    let span = BarSpan { x: x.min(WIDTH - width), width };
    BarSpan { x: tenth(span.x), width: tenth(span.width) }
}

/// The position of `share` on the scale.
fn position(share: Share, thresholds: &Thresholds) -> f64 {
    let ends = ends(thresholds);
    let band = Band::ALL.iter().position(|band| *band == thresholds.band(share)).unwrap_or(0);
    let (from, to) = (if band == 0 { 0.0 } else { ends[band - 1] }, ends[band]);
    let inside = if to > from { (share.fraction() - from) / (to - from) } else { 0.0 };
    (band as f64 + inside.clamp(0.0, 1.0)) / Band::ALL.len() as f64 * WIDTH
}

/// The end of each band, between 0 and 1.
fn ends(thresholds: &Thresholds) -> [f64; 4] {
    [
        thresholds.healthy().fraction(),
        thresholds.review().fraction(),
        thresholds.pause().fraction(),
        1.0,
    ]
}

/// Spans of the parts of a whole, side by side: a part that is there is wide enough to be seen.
#[must_use]
pub fn stacked(parts: &[u64], whole: u64) -> Vec<BarSpan> {
    let shown = parts.iter().filter(|part| **part > 0).count() as f64;
    let room = (WIDTH - shown * NARROWEST).max(0.0);
    let mut x = 0.0;
    let span = |count: &u64| {
        let share = Share { count: *count, of: whole }.fraction();
        let width = if *count == 0 { 0.0 } else { NARROWEST + share * room };
        let span = BarSpan { x: tenth(x), width: tenth(width) };
        x += width;
        span
    };
    parts.iter().map(span).collect()
}

/// Drawings need no more than a tenth of a unit.
fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_band_takes_a_quarter_and_a_threshold_stands_between_two() {
        let at = |count| position(Share { count, of: 1000 }, &Thresholds::default());
        let cases = [(0, 0.0), (10, 125.0), (20, 250.0), (50, 500.0), (100, 750.0), (1000, 1000.0)];
        for (count, x) in cases {
            assert!((at(count) - x).abs() < 1e-9, "{count}: {}", at(count));
        }
        assert_eq!(position(Share { count: 0, of: 0 }, &Thresholds::default()), 0.0);
    }

    #[test]
    fn what_is_there_is_seen_and_nothing_runs_over_the_edge() {
        for parts in [[1, 0, 0, 999_999], [0, 0, 0, 1], [0, 0, 0, 0], [3, 3, 3, 1]] {
            let spans = stacked(&parts, parts.iter().sum());
            for (part, span) in parts.iter().zip(&spans) {
                assert_eq!(*part > 0, span.width >= NARROWEST, "{parts:?} {spans:?}");
                assert!(span.x + span.width <= WIDTH + 0.2, "{parts:?} {spans:?}");
            }
        }
    }
}
