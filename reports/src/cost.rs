//! What a run cost: prices times quantities, in whatever currency the operator thinks in.

use serde::{Deserialize, Serialize};

use crate::stats::sum;

/// The highest price that a bill may have. Up to it every sum, mean and interval over runs is a finite
/// number; files could not hold another.
pub const PRICE_MAX: f64 = 1e100;

/// What is paid for what, each from zero to [`PRICE_MAX`]. All zero by default: then nothing is said about
/// cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// One ready VM, kept for one second.
    pub idle_vm_second: f64,
    /// One request that was a miss.
    pub miss: f64,
    /// One VM booted or created.
    pub boot: f64,
    /// One request turned away, on top of the miss that it is.
    pub rejected: f64,
}

/// What is multiplied with the prices.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quantities {
    /// Time integral of ready VMs, in VM-seconds.
    pub idle_vm_seconds: f64,
    /// Requests that were misses.
    pub misses: u64,
    /// VMs whose boot or create began.
    pub boots: u64,
    /// Requests turned away.
    pub rejected: u64,
}

/// One line of the bill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The price's name: `idle_vm_second`, `miss`, `boot` or `rejected`.
    pub what: String,
    /// How many.
    pub quantity: f64,
    /// For each.
    pub price: f64,
    /// Quantity times price.
    pub amount: f64,
}

/// The bill of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// A line for each price that is not zero.
    pub items: Vec<Item>,
    /// Their sum.
    pub total: f64,
}

impl Prices {
    /// The bill for these quantities.
    pub fn bill(&self, quantities: &Quantities) -> Cost {
        let lines = [
            ("idle_vm_second", quantities.idle_vm_seconds, self.idle_vm_second),
            ("miss", quantities.misses as f64, self.miss),
            ("boot", quantities.boots as f64, self.boot),
            ("rejected", quantities.rejected as f64, self.rejected),
        ];
        let items: Vec<Item> = lines
            .into_iter()
            .filter(|(_, _, price)| *price != 0.0)
            .map(|(what, quantity, price)| Item {
                what: what.to_owned(),
                quantity,
                price,
                amount: quantity * price,
            })
            .collect();
        let total = sum(items.iter().map(|item| item.amount));
        Cost { items, total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_has_a_line_for_each_price_and_their_sum() {
        let prices = Prices { idle_vm_second: 0.5, miss: 2.0, boot: 0.0, rejected: 10.0 };
        let bill = prices.bill(&Quantities { idle_vm_seconds: 100.0, misses: 3, boots: 7, rejected: 1 });
        let names: Vec<&str> = bill.items.iter().map(|item| item.what.as_str()).collect();
        assert_eq!(names, ["idle_vm_second", "miss", "rejected"]);
        assert_eq!(bill.total, 50.0 + 6.0 + 10.0);
    }

    #[test]
    fn the_highest_prices_make_a_finite_bill_and_interval() {
        let prices =
            Prices { idle_vm_second: PRICE_MAX, miss: PRICE_MAX, boot: PRICE_MAX, rejected: PRICE_MAX };
        let most = u64::MAX;
        let bill = |seconds| {
            let quantities =
                Quantities { idle_vm_seconds: seconds, misses: most, boots: most, rejected: most };
            prices.bill(&quantities).total
        };
        let (low, high) =
            crate::stats::Estimate::of(&[bill(0.0), bill(1e18)]).unwrap().interval(0.05).unwrap();
        assert!(low.is_finite() && high.is_finite() && high > low, "{low} {high}");
    }

    #[test]
    fn without_prices_there_is_no_bill() {
        let bill = Prices::default().bill(&Quantities { misses: 3, ..Quantities::default() });
        assert!(bill.items.is_empty());
        assert!(bill.total == 0.0 && bill.total.is_sign_positive());
    }
}
