//! Filters that are kept by name, on the pages that have filters.

use std::sync::Arc;

use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use crate::app::{Console, Visitor};
use crate::pages::problem::{self, Problem, Refused, within};
use crate::pages::{at_turn, failed};
use crate::views::{VIEW_CHARACTERS_MAX, ViewError};

/// The first of them have keys: g and a digit.
const KEYS_MAX: usize = 9;

/// A view as it is shown.
pub(crate) struct ShownView {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) is_here: bool,
    /// The digit behind g, where there is one.
    pub(crate) key: Option<usize>,
}

/// What the pages with filters show of them.
pub(crate) struct ShownViews {
    pub(crate) list: Vec<ShownView>,
    /// The address of the filters as they are.
    pub(crate) here: String,
    pub(crate) characters_max: usize,
}

impl ShownViews {
    /// A person's views. A file that cannot be read stops nobody's work: it is told in the program's log.
    pub(crate) async fn of(
        console: &Arc<Console>,
        visitor: &Visitor,
        here: String,
    ) -> Result<ShownViews, Refused> {
        let (worker, person) = (Arc::clone(console), visitor.person.name.clone());
        let reading = tokio::task::spawn_blocking(move || worker.views.of(&person));
        let views = reading.await.map_err(|error| failed(visitor, error))?.unwrap_or_else(|error| {
            tracing::error!(%error, "views cannot be read");
            Vec::new()
        });
        let shown = |(index, (name, address)): (usize, (String, String))| ShownView {
            is_here: address == here,
            key: Some(index + 1).filter(|key| *key <= KEYS_MAX),
            name,
            address,
        };
        let list = views.into_iter().enumerate().map(shown).collect();
        Ok(ShownViews { list, here, characters_max: VIEW_CHARACTERS_MAX })
    }
}

#[derive(Deserialize)]
pub(crate) struct View {
    #[serde(default)]
    name: String,
    /// The page that it is of, to come back to.
    #[serde(default)]
    at: String,
}

pub(crate) async fn keep(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(View { name, at }): Form<View>,
) -> Result<Response, Refused> {
    let (person, address) = (visitor.person.name.clone(), at.clone());
    let keeping = move |console: &Console| match console.views.keep(&person, &name, &address) {
        Err(error @ (ViewError::Io(_) | ViewError::Form(_))) => Err(error),
        refused_or_kept => Ok(refused_or_kept),
    };
    match at_turn(&console, &visitor, keeping).await? {
        Ok(()) => Ok(Redirect::to(within(&at)).into_response()),
        Err(refused) => {
            let problem = Problem::View(matches!(refused, ViewError::Full));
            Ok(problem::page(&visitor.guest, Some(&visitor), problem))
        }
    }
}

pub(crate) async fn forget(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(View { name, at }): Form<View>,
) -> Result<Response, Refused> {
    let person = visitor.person.name.clone();
    at_turn(&console, &visitor, move |console| console.views.forget(&person, &name)).await?;
    Ok(Redirect::to(within(&at)).into_response())
}
