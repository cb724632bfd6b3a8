//! The figures as markdown.

use super::figures::{Figures, Row};
use super::rows;
use super::samples::Spread;
use super::stolen::Share;
use super::text::{grouped, share};
use super::throughput::THREADS;

type Table = fn(&Figures) -> String;

/// The tables that markers in a file can name.
const TABLES: [(&str, Table); 2] = [("full", full), ("summary", summary)];

/// One row of each library, and the columns that matter.
fn summary(figures: &Figures) -> String {
    let mut text = remarks(figures);
    text += "| | ns | × the limit | a second, 16 threads | stolen rounds | beside each other |\n";
    text += "|---|--:|--:|--:|--:|--:|\n";
    for row in figures.rows.iter().filter(|row| row.in_summary) {
        let cells = [
            format!("{} `{}`", row.library, row.call),
            opt(row.cost(), |cost| grouped(cost.median)),
            opt(row.cost().zip(figures.limit()), ratio),
            opt(row.per_second[THREADS.len() - 1], grouped),
            share(row.alone),
            match row.beside {
                Some(beside) => share(beside.theirs),
                None => opt(worst(figures, row), share),
            },
        ];
        text += &line(&cells);
    }
    text
}

/// The most that this library lost beside another, if `row` is the one that ran there and was told a
/// number.
fn worst(figures: &Figures, row: &Row) -> Option<Share> {
    let told = figures
        .rows
        .iter()
        .filter_map(|row| Some(row.beside?.ours[0]));
    let worst = told.max_by(|a, b| a.percent().total_cmp(&b.percent()));
    worst.filter(|_| row.call == rows::BESIDE[0])
}

/// All rows, and all columns.
pub(crate) fn full(figures: &Figures) -> String {
    format!(
        "{}{}\n{}\n{}",
        remarks(figures),
        costs(figures),
        throughput(figures),
        stolen(figures)
    )
}

fn costs(figures: &Figures) -> String {
    let mut text = String::from(
        "| one allocation, ns | the caller has | taken: median | p99 | and given back: median | p99 | × the limit |\n\
         |---|---|--:|--:|--:|--:|--:|\n",
    );
    for row in &figures.rows {
        let median = |spread: Spread| grouped(spread.median);
        let p99 = |spread: Spread| grouped(spread.p99);
        text += &line(&[
            name(row),
            row.keeps.to_owned(),
            opt(row.taken, median),
            opt(row.taken, p99),
            opt(row.given_back, median),
            opt(row.given_back, p99),
            opt(row.given_back.zip(figures.limit()), ratio),
        ]);
    }
    text
}

fn throughput(figures: &Figures) -> String {
    let mut text = String::from("| taken and given back, a second |");
    for threads in THREADS {
        text += &match threads {
            1 => " 1 thread |".to_owned(),
            _ => format!(" {threads} threads |"),
        };
    }
    text += &format!("\n|---{}|\n", "|--:".repeat(THREADS.len()));
    for row in &figures.rows {
        let rates = row.per_second.map(|rate| opt(rate, grouped));
        text += &line(&[vec![name(row)], rates.to_vec()].concat());
    }
    text
}

fn stolen(figures: &Figures) -> String {
    let mut text = String::from(
        "| stolen rounds | ports | of rounds | among its own kind | beside port-test | \
         port-test beside it: told a number | handed a listener | a bare number |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in &figures.rows {
        text += &line(&[
            name(row),
            row.range.clone(),
            grouped(row.alone.rounds.into()),
            share(row.alone),
            opt(row.beside, |beside| share(beside.theirs)),
            opt(row.beside, |beside| share(beside.ours[0])),
            opt(row.beside, |beside| share(beside.ours[1])),
            opt(row.beside, |beside| share(beside.ours[2])),
        ]);
    }
    text
}

fn remarks(figures: &Figures) -> String {
    let remarks = figures.remarks.iter();
    remarks.map(|remark| format!("**{remark}**\n\n")).collect()
}

fn name(row: &Row) -> String {
    format!("{} `{}`", row.library, row.call)
}

fn ratio((cost, limit): (Spread, f64)) -> String {
    format!("{:.2}", cost.median / limit)
}

fn opt<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or("–".to_owned(), text)
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// Puts each table between its markers, `<!-- versus: NAME -->` and `<!-- versus: end -->`.
pub(crate) fn fill_in(text: &str, figures: &Figures) -> Result<String, String> {
    const END: &str = "<!-- versus: end -->";
    let mut text = text.to_owned();
    let mut filled = false;
    for (name, table) in TABLES {
        let begin = format!("<!-- versus: {name} -->\n");
        let Some((before, rest)) = text.split_once(&begin) else {
            continue;
        };
        let Some((_, after)) = rest.split_once(END) else {
            return Err(format!("no {END} after {}", begin.trim_end()));
        };
        text = format!("{before}{begin}{}{END}{after}", table(figures));
        filled = true;
    }
    match filled {
        true => Ok(text),
        false => Err("no marker like <!-- versus: summary -->".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_table_has_as_many_cells() {
        for (name, table) in TABLES {
            let text = table(&Figures::sample());
            assert!(text.starts_with("**A <short> & odd run.**\n\n"));
            for table in text.split("\n\n").skip(1) {
                let mut cells = table.lines().map(|line| line.matches('|').count());
                let first = cells.next().expect("a head");
                assert!(cells.all(|cells| cells == first), "{name}: {table}");
            }
        }
    }

    #[test]
    fn the_summary_has_the_rows_that_stand_for_all() {
        let text = summary(&Figures::sample());
        let rows: Vec<&str> = text.lines().skip(4).collect();
        let expected = [
            "| the limit `socket, bind` | 7,000 | 1.00 | 428,571 | 0 | – |",
            "| port-test `lease()` | 7,700 | 1.10 | 389,610 | 0 | 2.5 % |",
            "| peer `Peer::pick(<T>)` | 70,000 | 10.00 | 42,857 | 25.0 % | 5.0 % |",
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn the_full_tables_have_what_was_lost_beside() {
        let text = full(&Figures::sample());
        let kept = "| port-test `next()` | a number | 5,000 | 7,000 | – | – | – |";
        let peer = "| peer `Peer::pick(<T>)` | 10-20 | 40 | 25.0 % | 5.0 % | 2.5 % | 0 | 0 |";
        let rate = "| port-test `lease()` | 129,870 | 259,740 | 389,610 |";
        for line in [kept, peer, rate] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn tables_are_put_between_their_markers() {
        let file = "a\n<!-- versus: summary -->\nold\n<!-- versus: end -->\nb\n\
                    <!-- versus: full -->\n<!-- versus: end -->\n";
        let figures = Figures::sample();
        let filled = fill_in(file, &figures).expect("markers");
        let expected = format!(
            "a\n<!-- versus: summary -->\n{}<!-- versus: end -->\nb\n\
             <!-- versus: full -->\n{}<!-- versus: end -->\n",
            summary(&figures),
            full(&figures)
        );
        assert_eq!(filled, expected);
        assert_eq!(fill_in(&filled, &figures), Ok(filled.clone()));
        for file in ["", "<!-- versus: full -->\n"] {
            assert!(fill_in(file, &figures).is_err(), "{file}");
        }
    }
}
