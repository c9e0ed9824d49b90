//! A good configuration, told in a few lines.

use std::fmt::Write;

use processor::Day;

use super::wanting::wanting;
use super::{HsmModule, Settings};
use crate::tls::{Watched, expires_soon, now_s};

/// See [`Settings::summary`].
pub(super) fn summary(settings: &Settings) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(settings, &mut text);
    text
}

fn write(settings: &Settings, out: &mut String) -> std::fmt::Result {
    let config = &settings.processor;
    let (timers, limits) = (&config.timers, &config.limits);
    writeln!(
        out,
        "switch      {}, currency {}, IIN {}",
        settings.switch.id,
        config.currency,
        String::from_utf8_lossy(&config.iin)
    )?;
    writeln!(out, "log         {}", settings.switch.log_dir.display())?;
    match &settings.heads {
        Some(heads) => writeln!(
            out,
            "heads       {}, every {} ms or {} records",
            heads.file.display(),
            heads.interval_ms,
            heads.records_max
        )?,
        None => writeln!(out, "heads       none are kept: a log that is put back is not found out")?,
    }
    writeln!(out, "enrolment   {}", settings.switch.enrolment_dir.display())?;
    if let Some(reconciliation) = &settings.reconciliation {
        writeln!(out, "clerks      files and acts in {}", reconciliation.dir.display())?;
    }
    if let Some(console) = &settings.console {
        let tls = if console.tls.is_some() { " in TLS" } else { "" };
        writeln!(
            out,
            "console     at {}{tls}, people and audit in {}",
            console.listen,
            console.dir.display()
        )?;
    }
    writeln!(
        out,
        "terminals   {} known, at {}{}, {} connections at most, {} of one address",
        config.terminals.len(),
        settings.terminals.listen,
        if settings.terminals.tls.is_some() { " in TLS" } else { "" },
        settings.terminals.connections_max,
        settings.terminals.connections_per_address_max
    )?;
    for (id, issuer) in &config.issuers {
        let Some(link) = settings.issuers.get(id) else { continue };
        let mac = if link.mac { "MAC" } else { "no MAC" };
        let pin = match settings.pin_formats.banks.get(id) {
            Some(format) => format!("PIN in format {}", format.number()),
            None => "no PIN".to_owned(),
        };
        let tombstones = if issuer.tombstones { "tombstones" } else { "no tombstones" };
        writeln!(
            out,
            "issuer      {id} {}: {}{}, {}, {mac}, {pin}, {tombstones}, {} in flight",
            issuer.name,
            link.addresses.join(" "),
            if link.tls.is_some() { " in TLS" } else { "" },
            link.dialect.name(),
            issuer.in_flight_max
        )?;
    }
    if let Some(hsm) = &settings.hsm {
        let module = match &hsm.module {
            HsmModule::Software { file, .. } => format!("software, {}", file.display()),
            HsmModule::PayShield { addresses, tokens } => {
                format!("payShield at {addresses:?}, {}", tokens.display())
            }
        };
        let rotation = match hsm.rotate_days {
            0 => String::new(),
            days => format!(", keys sent anew after {days} days"),
        };
        writeln!(out, "hsm         {module}, {} at once, {} wait{rotation}", hsm.threads, hsm.waiting_max)?;
    }
    for Watched { link, whose, validity } in settings.certificates() {
        let day = Day::of_unix_ms(validity.not_after_s.saturating_mul(1_000));
        let warning = match expires_soon(validity.not_after_s, now_s()) {
            None => String::new(),
            Some(days) if days < 0 => ": WARNING, it has ended".to_owned(),
            Some(days) => format!(": WARNING, {days} days are left"),
        };
        writeln!(out, "certificate {link}, {whose}: {} until {day}{warning}", validity.subject)?;
    }
    let client =
        if settings.registry.client.is_some() { "client certificate" } else { "no client certificate" };
    writeln!(
        out,
        "registry    {}, {} pinned keys, {client}",
        settings.registry.url,
        settings.registry.pinned.len()
    )?;
    writeln!(
        out,
        "deadlines   registry {} + bank {} within answer {} within terminal {} ms",
        timers.registry_ms_max, timers.issuer_response_ms_max, timers.answer_ms_max, timers.terminal_wait_ms
    )?;
    writeln!(
        out,
        "limits      withdrawal {}, deposit {}, citizen's day {} in {} uses, {} in flight",
        limits.transaction_minor_max,
        limits.deposit_minor_max,
        limits.citizen_day_minor_max,
        limits.citizen_day_count_max,
        limits.in_flight_max
    )?;
    match settings.processor.stand_in {
        None => writeln!(out, "stand-in    none: a registry that is away is 91")?,
        Some(rule) => writeln!(
            out,
            "stand-in    withdrawals up to {} while the registry is away, its word on the card at most {} s old, {} at once",
            rule.amount_minor_max,
            rule.status_age_ms_max / 1_000,
            rule.owed_max
        )?,
    }
    writeln!(out, "operator    {}", settings.operator_socket.display())?;
    writeln!(out, "admin       http://{}", settings.admin_listen)?;
    for what in wanting(settings) {
        writeln!(out, "before run  WARNING, {what}")?;
    }
    Ok(())
}
