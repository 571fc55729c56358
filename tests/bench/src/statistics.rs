//! Medians, and ratios with their spread.

/// A ratio over several rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The median of the rounds' ratios.
    pub median: f64,
    /// The least of them.
    pub least: f64,
    /// The largest of them.
    pub most: f64,
}

/// The value below which a share of the values lie.
///
/// # Panics
/// When there are none.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// The value in the middle; `None` of none.
pub fn median(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| quantile(values, 0.5))
}

/// The ratio of two series, round by round; `None` where they share no round.
pub fn ratio(over: &[Option<f64>], under: &[Option<f64>]) -> Option<Ratio> {
    let ratios: Vec<f64> = over
        .iter()
        .zip(under)
        .filter_map(|(over, under)| Some((*over)? / (*under)?))
        .filter(|ratio| ratio.is_finite())
        .collect();
    Some(Ratio {
        median: median(&ratios)?,
        least: quantile(&ratios, 0.0),
        most: quantile(&ratios, 1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_does_not_care_for_the_order_or_the_far_ones() {
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 1000.0]), Some(3.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let over = [Some(1.0), None, Some(30.0)];
        let under = [Some(2.0), Some(1.0), Some(10.0)];
        let ratio = ratio(&over, &under).expect("two rounds");
        assert_eq!((ratio.least, ratio.median, ratio.most), (0.5, 1.75, 3.0));
        assert_eq!(super::ratio(&[None], &[Some(1.0)]), None);
    }
}
