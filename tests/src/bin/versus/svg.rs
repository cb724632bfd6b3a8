//! The figures as a picture: what a port costs, and how often it is stolen.

use super::figures::{Figures, Row};
use super::rows;
use super::text::{grouped, share};

const WIDTH: f64 = 880.0;
const LINE: f64 = 22.0;
/// Above the first bar.
const TOP: f64 = 62.0;
/// Below the last bar.
const BOTTOM: f64 = 34.0;
/// Where bars begin and may end.
const LEFT: f64 = 330.0;
const RIGHT: f64 = 655.0;
/// Where the columns of numbers end.
const NANOS: f64 = 745.0;
const SHARES: f64 = 864.0;
/// The bars' middle, from the top of their line.
const BASE: f64 = 15.0;

const INK: &str = "#1f2328";
const GREEN: &str = "#1a7f37";
const RED: &str = "#cf222e";
const BOLD: &str = "font-weight=\"600\"";
const END: &str = "text-anchor=\"end\"";
const END_BOLD: &str = "text-anchor=\"end\" font-weight=\"600\"";

/// Its own background, so that it looks the same on a dark page and on a light one.
pub(crate) fn picture(figures: &Figures) -> String {
    let height = TOP + LINE * figures.rows.len() as f64 + BOTTOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"13\" \
         fill=\"{INK}\">\n\
         <title>What a port costs, and how often it is stolen</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#ffffff\" stroke=\"#d0d7de\"/>\n"
    );
    svg += &text((16.0, 26.0), BOLD, "Get a port and give it back, log scale");
    svg += &text((NANOS, 26.0), END_BOLD, "ns");
    svg += &text((SHARES, 26.0), END_BOLD, "stolen rounds");
    let scale = Scale::of(figures);
    for (n, row) in figures.rows.iter().enumerate() {
        svg += &bar(row, TOP + LINE * n as f64, &scale);
    }
    if let Some(limit) = figures.limit() {
        let (x, top, bottom) = (scale.x(limit), TOP - 6.0, height - BOTTOM + 6.0);
        svg += &format!(
            "<path d=\"M{x:.1} {top:.0}V{bottom:.0}\" stroke=\"{RED}\" stroke-dasharray=\"4 3\"/>\n"
        );
        let middle = format!("text-anchor=\"middle\" fill=\"{RED}\"");
        svg += &text((x, TOP - 12.0), &middle, "the limit: socket, bind, close");
    }
    let pale = "fill=\"#59636e\" font-size=\"12\"";
    svg += &text((16.0, height - 12.0), pale, &footer(figures));
    svg + "</svg>\n"
}

/// One row: its name, its bar, and two columns of numbers.
fn bar(row: &Row, y: f64, scale: &Scale) -> String {
    let ours = row.library == rows::OURS;
    let (end, color) = match ours {
        true => (END_BOLD, GREEN),
        false => (END, "#8c959f"),
    };
    let mut svg = text((LEFT - 8.0, y + BASE), end, &label(row));
    if let Some(cost) = row.cost() {
        let (top, width) = (y + 4.0, scale.x(cost.median) - LEFT);
        svg += &format!(
            "<rect x=\"{LEFT}\" y=\"{top:.0}\" width=\"{width:.1}\" height=\"14\" rx=\"2\" fill=\"{color}\"/>\n"
        );
        let kept = if row.given_back.is_some() {
            ""
        } else {
            "kept: "
        };
        let nanos = format!("{kept}{}", grouped(cost.median));
        svg += &text((NANOS, y + BASE), end, &nanos);
    }
    let color = if row.alone.lost() == 0 { GREEN } else { RED };
    let style = format!("{end} style=\"fill:{color}\"");
    svg + &text((SHARES, y + BASE), &style, &share(row.alone))
}

fn text((x, y): (f64, f64), attributes: &str, text: &str) -> String {
    let text = escape(text);
    format!("<text x=\"{x:.0}\" y=\"{y:.0}\" {attributes}>{text}</text>\n")
}

/// The whole call is in the tables.
fn label(row: &Row) -> String {
    const MOST: usize = 45;
    let call = row.call.rsplit("::").next().unwrap_or(row.call);
    let text = format!("{}: {call}", row.library);
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn footer(figures: &Figures) -> String {
    let remarks = figures.remarks.iter();
    let remarks: String = remarks.map(|remark| format!(" {remark}")).collect();
    format!(
        "Medians, in turn. Stolen: 3 ports a round, 1 ms until the bind, 8 processes and strangers \
         beside them.{remarks}"
    )
}

/// Powers of ten are equally far apart.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    fn of(figures: &Figures) -> Self {
        let costs = || {
            figures
                .rows
                .iter()
                .filter_map(|row| Some(row.cost()?.median))
        };
        let least = costs().fold(f64::INFINITY, f64::min);
        let most = costs().fold(1.0, f64::max);
        Scale {
            // The shortest bar can be seen.
            least: (least / 1.5).min(most / 10.0).max(1.0),
            most,
        }
    }

    fn x(&self, nanos: f64) -> f64 {
        let part = (nanos / self.least).ln() / (self.most / self.least).ln();
        LEFT + (RIGHT - LEFT) * part.clamp(0.0, 1.0)
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::*;

    #[test]
    fn it_is_well_formed_and_shows_every_row() {
        let figures = Figures::sample();
        let svg = picture(&figures);
        let document = Document::parse(&svg).expect("well-formed");
        let texts: Vec<&str> = document
            .descendants()
            .filter_map(|node| node.text())
            .collect();
        for row in &figures.rows {
            assert!(
                texts.contains(&label(row).as_str()),
                "{} in {texts:?}",
                row.library
            );
        }
        for text in [
            "the limit: socket, bind, close",
            "7,000",
            "kept: 5,000",
            "25.0 %",
        ] {
            assert!(texts.contains(&text), "{text} in {texts:?}");
        }
        assert!(
            texts
                .iter()
                .any(|text| text.ends_with("A <short> & odd run."))
        );
    }

    #[test]
    fn bars_are_as_long_as_their_logarithms() {
        let figures = Figures::sample();
        let scale = Scale::of(&figures);
        let [a, b, c] = [7_000.0, 21_000.0, 63_000.0].map(|nanos| scale.x(nanos));
        assert!(LEFT < a && a < b && ((b - a) - (c - b)).abs() < 0.1);
        let [longest, longer] = [70_000.0, 700_000.0].map(|nanos| scale.x(nanos));
        assert!((longest - RIGHT).abs() < 0.1 && longest == longer);
        let svg = picture(&figures);
        let document = Document::parse(&svg).expect("well-formed");
        let bars = document
            .descendants()
            .filter(|node| node.attribute("height") == Some("14"));
        let widths: Vec<f64> = bars
            .map(|node| {
                node.attribute("width")
                    .expect("a width")
                    .parse()
                    .expect("a number")
            })
            .collect();
        assert_eq!(widths.len(), figures.rows.len());
        assert!(widths[0] < widths[3] && widths[2] < widths[0], "{widths:?}");
    }

    #[test]
    fn it_is_small() {
        let mut figures = Figures::sample();
        while figures.rows.len() < 24 {
            figures.rows.extend(Figures::sample().rows);
        }
        let length = picture(&figures).len();
        assert!(length <= 10_000, "{length} bytes");
    }
}
