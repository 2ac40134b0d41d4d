//! What each figure is worth in a run.

use crate::figure::{Figure, Population, Statistic, Whole};
use crate::no_value::NoValue;
use crate::summary::{AllLatencies, LatencyFigures, Summary};
use crate::unit::Unit;

impl Statistic {
    fn of(self, figures: &LatencyFigures) -> f64 {
        match self {
            Self::Min => figures.min as f64,
            Self::Mean => figures.mean,
            Self::P50 => figures.p50 as f64,
            Self::P90 => figures.p90 as f64,
            Self::P95 => figures.p95 as f64,
            Self::P99 => figures.p99 as f64,
            Self::P999 => figures.p999 as f64,
            Self::Max => figures.max as f64,
        }
    }

    fn of_all(self, figures: &AllLatencies) -> Option<f64> {
        let whole = |value: Option<u64>| value.map(|value| value as f64);
        match self {
            Self::Min => whole(figures.min),
            Self::Mean => figures.mean,
            Self::P50 => whole(figures.p50),
            Self::P90 => whole(figures.p90),
            Self::P95 => whole(figures.p95),
            Self::P99 => whole(figures.p99),
            Self::P999 => whole(figures.p999),
            Self::Max => whole(figures.max),
        }
    }
}

impl Figure {
    /// Its value, or why there is none.
    pub fn value(self, summary: &Summary) -> Result<f64, NoValue> {
        let latency = &summary.latency_ns;
        Ok(match self {
            Self::Latency(Population::All, statistic) => match &latency.all {
                figures if figures.count == 0 => return Err(NoValue::NoRequests),
                figures => statistic.of_all(figures).ok_or(NoValue::NotServed)?,
            },
            Self::Latency(Population::Served, statistic) => match &latency.served {
                figures if figures.count == 0 => return Err(NoValue::NothingServed),
                figures => statistic.of(figures),
            },
            Self::Latency(Population::Of(outcome), statistic) => {
                statistic.of(latency.by_outcome.get(outcome).as_ref().ok_or(NoValue::NoneEndedSo)?)
            }
            Self::Misses => summary.misses as f64,
            Self::Unserved => summary.outcomes.unserved() as f64,
            Self::Outcome(outcome) => *summary.outcomes.get(outcome) as f64,
            Self::Requests => summary.requests as f64,
            Self::Recovery => {
                let recovery = summary.recovery.as_ref().ok_or(NoValue::PerTenant)?;
                recovery.seconds.ok_or(NoValue::NotRecovered)?
            }
            Self::Empty => summary.pool.empty_seconds.ok_or(NoValue::PerTenant)?,
            Self::ReadyMean => summary.pool.ready_mean,
            Self::ReadyLeast => summary.pool.ready_least as f64,
            Self::Boots => summary.boots.begun as f64,
            Self::Idle => summary.pool.idle_vm_seconds,
            Self::Cost => summary.cost.total,
        })
    }

    /// Its value as a share, or why there is none.
    pub fn share(self, summary: &Summary) -> Result<f64, NoValue> {
        match self.definition().share_of {
            Some(Whole::Time) if summary.duration_s == 0.0 => Err(NoValue::NothingCounted),
            Some(Whole::Time) => summary.pool.empty_share.ok_or(NoValue::PerTenant),
            _ if summary.requests == 0 => Err(NoValue::NoRequests),
            _ => Ok(self.value(summary)? / summary.requests as f64),
        }
    }

    /// The unit in which runs of different length can be compared.
    pub fn comparable_unit(self) -> Unit {
        match self.definition().share_of {
            Some(Whole::Requests) => Unit::Share,
            _ => self.unit(),
        }
    }

    /// The value in that unit.
    pub fn comparable(self, summary: &Summary) -> Result<f64, NoValue> {
        match self.comparable_unit() {
            Unit::Share => self.share(summary),
            _ => self.value(summary),
        }
    }

    /// Whether runs like this one can be compared by it: without a spike, recoveries have no common
    /// beginning, and of pools per tenant neither recovery nor emptiness is known.
    pub fn is_common_to(self, summary: &Summary) -> bool {
        match self {
            Self::Recovery => summary.recovery.as_ref().is_some_and(|recovery| recovery.after_spike),
            Self::Empty => !summary.pool.per_tenant,
            _ => true,
        }
    }
}
