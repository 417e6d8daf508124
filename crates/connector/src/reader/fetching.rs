//! Requests for pages: sent, tried once more with a new token, and sent ahead.

use std::sync::Arc;

use reqwest::StatusCode;

use super::streaming::invalid;
use super::{Reader, facts, failed};
use crate::format;
use crate::http::{HttpError, Large, describe};
use crate::page::Page;
use crate::paginator;
use crate::plan::{Plan, TablePlan, TableSource};
use crate::progress::Reading;
use crate::read_error::ReadError;
use crate::request_builder::HttpRequest;
use crate::template::{Scope, TemplateError};
use crate::window::{Window, written};

impl Reader<'_> {
    /// A page from the API, or one that is kept because children are read for its rows.
    pub(super) async fn fetch(
        &self,
        table: &TablePlan,
        reading: &Reading,
        window: &Window,
        scope: &Scope,
    ) -> Result<Arc<Page>, ReadError> {
        let connector = self.connector;
        if let TableSource::Values(values) = &table.source {
            return Ok(Arc::new(Page::of_values(values)));
        }
        let plan: &Plan = &connector.plan;
        let make_ready = || {
            let Plan { authenticator, templates, paths, .. } = plan;
            let (http, call) = (&connector.http, self.call);
            let time = (call.deadline, &call.now);
            authenticator.make_ready(http, templates, paths, &call.scope, time)
        };
        make_ready().await?;
        let mut request = self.request(table, reading, window, scope)?;
        if let Some(page) = connector.kept.get(&request) {
            return Ok(page);
        }
        let streams = self.streams(table);
        if streams && let Some(page) = Box::pin(self.piece_of_kept(reading, &request)).await? {
            return Ok(Arc::new(page));
        }
        let large = if streams { Large::Stored } else { Large::Refused };
        let mut answer = self.send(&request, scope, large).await?;
        if answer.status == StatusCode::UNAUTHORIZED && plan.authenticator.forget() {
            make_ready().await?;
            request = self.request(table, reading, window, scope)?;
            answer = self.send(&request, scope, large).await?;
        }
        let is_large = answer.stored.is_some() || format::is_packed(&answer.body);
        let page = if answer.status.is_success() && streams && is_large {
            return Ok(Arc::new(
                Box::pin(self.begin_answer(table, reading, request, answer)).await?,
            ));
        } else if answer.status.is_success() {
            Page::read(table, answer, connector.http.body_bytes_max())
                .map_err(|error| invalid(&request, &error))?
        } else if table.config.empty_on.contains(&answer.status.as_u16()) {
            Page::empty(table, answer.headers)
        } else {
            let hint = match answer.status.as_u16() {
                401 | 403 => "check the secret and what it is allowed to do",
                404 => {
                    "check `base_url` and `path`; a parent without rows may answer so: `empty_on: [404]`"
                }
                _ => "check the table's `path`, `query` and `cursor`",
            };
            return Err(ReadError::Refused {
                code: "source_refused",
                message: describe(&request, &answer),
                hint: hint.into(),
                status: Some(answer.status),
            });
        };
        let page = Arc::new(page);
        if !table.children.is_empty() || reading.sent.is_some() {
            connector.kept.put(request, Arc::clone(&page));
        }
        Ok(page)
    }

    async fn send(
        &self,
        request: &HttpRequest,
        scope: &Scope,
        large: Large,
    ) -> Result<crate::http::Answer, ReadError> {
        let connector = self.connector;
        let signed = self.signed(request, scope).map_err(failed)?;
        let deadline = self.call.deadline;
        let answer = match large {
            Large::Refused => {
                connector.ahead.take(&connector.http, request, &signed, deadline).await
            }
            Large::Stored => {
                Box::pin(connector.http.send_for(&signed, Some(deadline), large)).await
            }
        };
        answer.map_err(|error| match error {
            HttpError::Unavailable { message, retry_after } => {
                ReadError::Unavailable { message, retry_after }
            }
            HttpError::Refused { code, status, message } => ReadError::Refused {
                code,
                message,
                hint: "correct the manifest, or ask those who run the API".into(),
                status,
            },
        })
    }

    /// The request as it is sent.
    fn signed(&self, request: &HttpRequest, scope: &Scope) -> Result<HttpRequest, TemplateError> {
        let Plan { authenticator, templates, .. } = &*self.connector.plan;
        authenticator.sign(request, templates, scope, &self.call.now)
    }

    /// Sends a request whose answer will probably be asked for.
    fn begin(&self, request: &HttpRequest, scope: &Scope) {
        let connector = self.connector;
        if let Ok(signed) = self.signed(request, scope) {
            connector.ahead.begin(&connector.http, request, signed, self.call.deadline);
        }
    }

    /// The request for a page, with what lets it in.
    fn request(
        &self,
        table: &TablePlan,
        reading: &Reading,
        window: &Window,
        scope: &Scope,
    ) -> Result<HttpRequest, ReadError> {
        let plan = &self.connector.plan;
        let TableSource::Requests(template) = &table.source else {
            unreachable!("neither values nor what stands in rows is requested")
        };
        let mut scope = scope.clone();
        let texts = [("since", &window.since), ("until", &window.until)];
        let texts = texts.map(|(name, bound)| (name.to_owned(), bound.clone().unwrap_or_default()));
        scope.set_texts("cursor", &texts.into());
        let written = written(table, reading, window);
        let mut request =
            template.build(&plan.templates, &plan.paths, &scope, &written).map_err(failed)?;
        plan.authenticator.authorize(&mut request, &plan.templates, &scope).map_err(failed)?;
        Ok(request)
    }

    /// Sends the requests that come next while this page is read.
    pub(super) fn look_ahead(
        &self,
        table: &TablePlan,
        reading: &Reading,
        window: &Window,
        scope: &Scope,
        page: &Page,
    ) {
        let connector = self.connector;
        if !table.children.is_empty() || !table.lands() {
            self.look_at_children(table, scope, page, 0);
            return;
        }
        let facts = facts(table, reading, page);
        for at in paginator::ahead(&table.pagination, &reading.page, &facts, connector.ahead.room())
        {
            let next = Reading { page: at, ..reading.clone() };
            if let Ok(request) = self.request(table, &next, window, scope) {
                self.begin(&request, scope);
            }
        }
    }

    /// Sends the first request of the first child table for the parents that come first. Tables whose
    /// requests depend on a cursor of each parent are left alone.
    pub(super) fn look_at_children(
        &self,
        table: &TablePlan,
        scope: &Scope,
        page: &Page,
        from: usize,
    ) {
        let connector = self.connector;
        let Some(child) = table.children.first().map(|index| &connector.plan.tables[*index]) else {
            return;
        };
        if child.config.cursor.is_some() || !child.lands() {
            return;
        }
        let parents = page.parents(table, self.call.hash_key.as_ref());
        for (_, index) in parents.iter().skip(from).take(connector.ahead.room()) {
            let scope = scope.inside(page.row(*index));
            let reading = Reading::of(&child.name);
            if let Ok(request) = self.request(child, &reading, &Window::default(), &scope) {
                self.begin(&request, &scope);
            }
        }
    }
}
