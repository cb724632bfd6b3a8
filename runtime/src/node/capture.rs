//! The tracing events of an in-process node, as lines of its log.
//!
//! Each run has a subscriber of its own, set for the threads of its runtime, so that the events of nodes
//! are told apart by where they happen. It does what tracing-subscriber's would do here, without the two
//! seconds that it costs every user to build.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use tracing::dispatcher::{self, DefaultGuard, Dispatch};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, NoSubscriber};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_core::span::Current;

use super::log::Log;
use crate::error::chain;
use crate::sync::lock;

/// What is below is for whoever debugs the libraries that a node uses: h2 alone writes a dozen events for
/// each request, which would push the node's own out of the report.
const LEVEL: Level = Level::INFO;

/// The subscriber for a run of the node that writes to `log`, unless the user has set a global one, which
/// is left alone. To be asked for on a thread that has none of its own.
pub(crate) fn dispatch(log: &Arc<Log>) -> Option<Dispatch> {
    // While there is only one subscriber, tracing asks the thread that comes to an event first, and no
    // other, whether anybody wants it: none of the node's, and the node's events are off for good.
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Second));
    let elsewhere = is_set_globally();
    log.events_elsewhere(elsewhere);
    (!elsewhere).then(|| {
        LazyLock::force(&SECOND);
        Dispatch::new(Capture {
            log: Arc::clone(log),
            spans: Mutex::default(),
        })
    })
}

/// Whether there is a global subscriber, if this thread has none of its own.
///
/// `has_been_set` does not tell: it is true as soon as one thread has set its own, as ours do.
fn is_set_globally() -> bool {
    dispatcher::get_default(|default| !default.is::<NoSubscriber>())
}

thread_local! {
    static HELD: Cell<Option<Held>> = const { Cell::new(None) };
    /// The spans that this thread is in, of whichever subscriber.
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// A subscriber, as long as it is the thread's.
struct Held {
    dispatch: Dispatch,
    guard: DefaultGuard,
}

/// Makes `dispatch` the calling thread's, until [`leave`].
pub(crate) fn enter(dispatch: &Dispatch) {
    HELD.set(Some(Held {
        dispatch: dispatch.clone(),
        guard: dispatcher::set_default(dispatch),
    }));
}

/// Ends what [`enter`] has begun.
pub(crate) fn leave() {
    // A thread that is ending may have lost the variable already, and with it the subscriber.
    drop(HELD.try_with(Cell::take));
}

/// Leaves if there is a global subscriber by now: test-log sets it in the test's body, when the nodes are
/// up. Nothing tells of that, so nodes ask whenever they have slept.
pub(crate) fn give_way() {
    let Some(Held { dispatch, guard }) = HELD.take() else {
        return;
    };
    // A subscriber that the node has set for this thread since would be lost with ours.
    if !dispatcher::get_default(|default| default.is::<Capture>()) {
        return HELD.set(Some(Held { dispatch, guard }));
    }
    drop(guard);
    if !is_set_globally() {
        return enter(&dispatch);
    }
    if let Some(capture) = dispatch.downcast_ref::<Capture>() {
        capture.log.events_elsewhere(true);
    }
}

struct Capture {
    log: Arc<Log>,
    spans: Mutex<HashMap<u64, Entry>>,
}

struct Entry {
    /// How many handles there are.
    handles: usize,
    span: Arc<Span>,
}

struct Span {
    metadata: &'static Metadata<'static>,
    fields: Mutex<Fields>,
    parent: Option<Arc<Span>>,
}

impl Capture {
    fn find(&self, id: &Id) -> Option<Arc<Span>> {
        let spans = lock(&self.spans);
        spans
            .get(&id.into_u64())
            .map(|entry| Arc::clone(&entry.span))
    }

    /// The innermost span that this thread is in. Spans of other subscribers are unknown here, since no
    /// two have the same number.
    fn current(&self) -> Option<(u64, Arc<Span>)> {
        ENTERED.with_borrow(|entered| {
            let spans = lock(&self.spans);
            let innermost = entered.iter().rev();
            innermost
                .filter_map(|id| Some((*id, Arc::clone(&spans.get(id)?.span))))
                .next()
        })
    }

    /// Of a new span or an event: the one that it names, or else the one it is in.
    fn parent(&self, named: Option<&Id>, contextual: bool) -> Option<Arc<Span>> {
        match named {
            Some(id) => self.find(id),
            None if contextual => self.current().map(|(_, span)| span),
            None => None,
        }
    }
}

impl Subscriber for Capture {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        interest(metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= LEVEL
    }

    fn max_level_hint(&self) -> Option<tracing::metadata::LevelFilter> {
        Some(LEVEL.into())
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // Only the numbers matter; the lock orders everything else. 0 is no id.
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let span = Arc::new(Span {
            metadata: attributes.metadata(),
            fields: Mutex::new(fields),
            parent: self.parent(attributes.parent(), attributes.is_contextual()),
        });
        lock(&self.spans).insert(id, Entry { handles: 1, span });
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        if let Some(span) = self.find(id) {
            // Formatted first: a value's `Debug` is the user's code.
            let mut fields = Fields::default();
            values.record(&mut fields);
            lock(&span.fields).list.push_str(&fields.list);
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (metadata, elapsed) = (event.metadata(), self.log.elapsed());
        let mut line = format!("{}ms {:>5} ", elapsed.as_millis(), metadata.level());
        if let Some(span) = self.parent(event.parent(), event.is_contextual()) {
            span.write_path(&mut line);
            line.push(' ');
        }
        let _ = write!(line, "{}:", metadata.target());
        for part in [&fields.message, &*fields.list] {
            if !part.is_empty() {
                line.push(' ');
                line.push_str(part.trim_start());
            }
        }
        self.log.line(line.as_bytes());
    }

    fn enter(&self, id: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(id.into_u64()));
    }

    fn exit(&self, id: &Id) {
        ENTERED.with_borrow_mut(|entered| {
            // Mostly the last one, but guards may drop in any order.
            if let Some(index) = entered.iter().rposition(|other| *other == id.into_u64()) {
                entered.remove(index);
            }
        });
    }

    fn clone_span(&self, id: &Id) -> Id {
        if let Some(entry) = lock(&self.spans).get_mut(&id.into_u64()) {
            entry.handles += 1;
        }
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let closed = {
            let mut spans = lock(&self.spans);
            let id = id.into_u64();
            match spans.get_mut(&id) {
                Some(entry) if entry.handles > 1 => {
                    entry.handles -= 1;
                    None
                }
                _ => spans.remove(&id),
            }
        };
        closed.is_some()
    }

    fn current_span(&self) -> Current {
        match self.current() {
            Some((id, span)) => Current::new(Id::from_u64(id), span.metadata),
            None => Current::none(),
        }
    }
}

impl Span {
    /// The span and all that it is in, outermost first: `serve{port=1}:request:`.
    fn write_path(&self, text: &mut String) {
        if let Some(parent) = &self.parent {
            parent.write_path(text);
        }
        text.push_str(self.metadata.name());
        let fields = lock(&self.fields);
        if !fields.list.is_empty() {
            let _ = write!(text, "{{{}}}", fields.list.trim_start());
        }
        text.push(':');
    }
}

/// The fields of an event or a span, as text.
#[derive(Default)]
struct Fields {
    message: String,
    /// ` name=value` for each.
    list: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail, unless a value's own `Debug` says so.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.list, " {}={value:?}", name.trim_start_matches("r#")),
        };
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{}", chain(value)));
    }
}

fn interest(metadata: &Metadata<'_>) -> Interest {
    if *metadata.level() <= LEVEL {
        Interest::always()
    } else {
        Interest::never()
    }
}

/// Wants what [`Capture`] wants, is nobody's, and hears nothing.
struct Second;

impl Subscriber for Second {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        interest(metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= LEVEL
    }

    fn max_level_hint(&self) -> Option<tracing::metadata::LevelFilter> {
        Some(LEVEL.into())
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(u64::MAX)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
