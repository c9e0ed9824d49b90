//! The processor's steps without link and log: `cargo bench -p benches --bench processor`.

use std::time::{Duration, Instant};

use benches::world::{Meter, Unmeasured, World};
use criterion::{Criterion, criterion_group, criterion_main};

/// Transactions that are under way together.
const TOGETHER: usize = 64;

/// The time that the measured parts took.
struct Clock(Duration);

impl Meter for Clock {
    fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        self.0 += began.elapsed();
        done
    }
}

fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("processor");
    let mut bench = |name: &str, step: fn(&mut World, &mut Clock)| {
        group.bench_function(name, |bencher| {
            let mut world = World::new();
            bencher.iter_custom(|iterations| {
                let pieces = (iterations as usize).div_ceil(TOGETHER);
                let mut clock = Clock(Duration::ZERO);
                (0..pieces).for_each(|_| step(&mut world, &mut clock));
                clock.0.mul_f64(iterations as f64 / (pieces * TOGETHER) as f64)
            });
        });
    };
    bench("echo: 0800 to 0810", |world, clock| world.echoes(TOGETHER, clock));
    bench("verification: 0100 to 0110", |world, clock| {
        world.verifications(TOGETHER, clock);
    });
    bench("two-step withdrawal after its verification: 0200, the bank's 0210, 0220", |world, clock| {
        let references = world.verifications(TOGETHER, &mut Unmeasured);
        world.two_step(&references, clock);
    });
    bench("one-step withdrawal: 0200, the bank's 0210, 0220", |world, clock| world.one_step(TOGETHER, clock));
    bench("repeated 0200", |world, clock| world.repeated(TOGETHER, clock));
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
