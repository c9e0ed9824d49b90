//! The running switch as the console asks it: the operator's own commands, by the same way to the event loop.

use console::Asking;
use keys::DataKeys;
use metrics_exporter_prometheus::PrometheusHandle;
use processor::{Day, TxKey};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::admin;
use crate::bus::Inbound;
use crate::operator::{self, Request};

/// What records and the program's log call the way by which a person of the console has acted.
const BY: &str = "console";

/// Asks the event loop for the console.
pub(crate) struct ConsoleSwitch {
    pub(crate) data: DataKeys,
    pub(crate) loop_queue: mpsc::Sender<Inbound>,
    pub(crate) metrics: PrometheusHandle,
}

impl ConsoleSwitch {
    fn ask(&self, request: Request) -> Asking {
        let (data, loop_queue) = (self.data.clone(), self.loop_queue.clone());
        Box::pin(async move { operator::answer(request, BY, &data, &loop_queue).await })
    }
}

impl console::Switch for ConsoleSwitch {
    fn status(&self) -> Asking {
        let asked = self.ask(Request::Status);
        Box::pin(async move { Ok::<Value, String>(asked.await?["status"].take()) })
    }

    fn resolve(&self, key: TxKey, by: &str, why: &str) -> Asking {
        let (key, by, why) = (key.to_string(), by.to_owned(), why.to_owned());
        self.ask(Request::SuspenseResolve { key, by, why })
    }

    fn cut_over(&self, day: Day, by: &str) -> Asking {
        tracing::info!(by, %day, "a cutover by the console");
        self.ask(Request::Cutover { day: day.to_string() })
    }

    fn metrics(&self) -> String {
        admin::page(&self.metrics)
    }
}
