//! Reconnecting waits for a random time up to a bound that doubles with each failure (full jitter), so that the many
//! clients of a gateway that was restarted don't come back at once.

use std::time::Duration;

const MIN: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_secs(15);

/// The wait after a number of failures in a row, from 1.
pub(crate) fn jitter(failures: u32) -> Duration {
    bound(failures).mul_f64(fastrand::f64())
}

fn bound(failures: u32) -> Duration {
    match failures.saturating_sub(1) {
        shift @ 0..8 => MAX.min(MIN * (1 << shift)),
        _ => MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_fifteen_seconds() {
        let bounds: Vec<u128> = (1..=9).map(|n| bound(n).as_millis()).collect();
        assert_eq!(bounds, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 15000]);
        assert_eq!(bound(u32::MAX), MAX);
    }

    #[test]
    fn the_wait_is_anything_up_to_the_bound() {
        let waits: Vec<Duration> = (0..1000).map(|_| jitter(3)).collect();
        assert!(waits.iter().all(|w| *w <= bound(3)));
        assert!(waits.iter().any(|w| *w < bound(3) / 4) && waits.iter().any(|w| *w > bound(3) * 3 / 4));
    }
}
