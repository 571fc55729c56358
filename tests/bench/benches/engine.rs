//! Nanoseconds for a packet, in the engine alone.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use sekisho_bench::engine::{Bench, Scenario};
use sekisho_bench::policy::{FEW, MANY};

fn engine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group.warm_up_time(Duration::from_secs(1));
    group.measurement_time(Duration::from_secs(3));
    for scenario in Scenario::ALL {
        for rules in [FEW, MANY] {
            // Rules are never asked about flows that are there.
            if scenario == Scenario::Million && rules == MANY {
                continue;
            }
            let name = format!("{}-{rules}", scenario.name());
            let mut bench = Bench::new(scenario, rules);
            group.bench_function(&name, |bencher| bencher.iter(|| bench.step()));
        }
    }
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
