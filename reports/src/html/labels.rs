//! Places for labels where none covers another, for pages on which no script runs. Where one does, it
//! measures and places them again.

/// The width of a plot on a wide page and on a narrow one, about and rather less: labels that are apart there
/// are apart.
pub(super) const WIDE_PX: f64 = 620.0;
pub(super) const NARROW_PX: f64 = 280.0;

/// How far above its dot each label goes, in pixels; below it where negative. Positions are shares of the
/// plot, widths pixels.
pub(super) fn lifts(centres: &[(f64, f64)], widths: &[f64], width_px: f64, height_px: f64) -> Vec<f64> {
    /// The height of a label, and of a dot with its outline.
    const LINE: f64 = 17.0;
    let dots: Vec<[f64; 4]> = centres
        .iter()
        .map(|(x, y)| [x * width_px, y * height_px])
        .map(|[x, y]| [x - 8.0, x + 8.0, y - 8.0, y + 8.0])
        .collect();
    let mut taken = dots.clone();
    let apart = |a: &[f64; 4], b: &[f64; 4]| a[1] <= b[0] || b[1] <= a[0] || a[3] <= b[2] || b[3] <= a[2];
    let mut lifts = Vec::with_capacity(centres.len());
    for ((x, y), width) in centres.iter().zip(widths) {
        let (x, y) = (x * width_px, y * height_px);
        let label = |lift: f64| {
            let bottom = y + lift - 6.0;
            [x - width / 2.0, x + width / 2.0, bottom, bottom + LINE]
        };
        let rows = (0..centres.len()).flat_map(|row| [17.0 + LINE * row as f64, -(21.0 + LINE * row as f64)]);
        let free = |lift: &f64| taken.iter().all(|other| apart(&label(*lift), other));
        let lift = rows.clone().find(free).unwrap_or(17.0);
        taken.push(label(lift));
        lifts.push(lift);
    }
    lifts
}

/// How far above its line each label stands, in pixels, so that none is nearer to another than a line of
/// text. Heights are those of the lines above the plot's floor, in pixels.
pub(super) fn above(heights: &[f64]) -> Vec<f64> {
    const LINE: f64 = 17.0;
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|a, b| heights[*a].total_cmp(&heights[*b]).then(a.cmp(b)));
    let mut lifts = vec![4.0; heights.len()];
    let mut free_from = f64::MIN;
    for index in order {
        let at = (heights[index] + 4.0).max(free_from);
        lifts[index] = at - heights[index];
        free_from = at + LINE;
    }
    lifts
}

/// Rows of labels above a plot, for one width of the page.
pub(super) struct Rows {
    free_from: [f64; 3],
    /// The width of a character, in percent of the plot's.
    character: f64,
}

impl Rows {
    pub(super) fn new(character: f64) -> Self {
        Self { free_from: [0.0; 3], character }
    }

    /// The classes that put a label of this length into the first row with room, or hide it where there is
    /// none.
    pub(super) fn place(&mut self, left: f64, length: usize, prefix: &str) -> String {
        let width = self.character * (length as f64 + 2.0);
        let (side, from) = if left + width > 101.0 { ("r", left - width) } else { ("l", left) };
        match self.free_from.iter().position(|free| from >= *free) {
            Some(row) => {
                self.free_from[row] = from + width;
                format!("{prefix}{row} {prefix}{side}")
            }
            None => format!("{prefix}x"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_dots_cover_neither_each_other_nor_a_dot() {
        let centres = [(0.5, 0.3), (0.52, 0.32), (0.52, 0.32), (0.9, 0.3), (0.1, 0.0)];
        let widths = [150.0, 90.0, 120.0, 60.0, 60.0];
        let lifts = lifts(&centres, &widths, WIDE_PX, 300.0);
        assert_eq!((lifts[3], lifts[4]), (17.0, 17.0), "one that stands alone has its label above it");
        let boxes: Vec<(f64, f64)> =
            (0..3).map(|index| (centres[index].1 * 300.0 + lifts[index], widths[index])).collect();
        for (index, one) in boxes.iter().enumerate() {
            for other in &boxes[..index] {
                assert!((one.0 - other.0).abs() >= 17.0, "{boxes:?}");
            }
        }
    }

    #[test]
    fn labels_of_lines_that_are_near_stand_above_each_other() {
        assert_eq!(above(&[100.0, 105.0, 20.0, 100.0]), [4.0, 33.0, 4.0, 21.0]);
    }
}
