//! Which rows a terminal of too little height shows.

use luakit_buildkit::progress::tracker::{Phase, Step};
use std::time::SystemTime;

/// What a step asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    pub(crate) phase: Phase,
    pub(crate) ended: Option<SystemTime>,
    /// Rows below its own.
    pub(crate) details: usize,
}

impl Need {
    pub(crate) fn of(step: &Step, details: usize) -> Self {
        Self {
            phase: step.phase(),
            ended: step.spans().newest_end(),
            details,
        }
    }

    /// Who goes first: failures, then what runs, then what has ended, then what was cached; of these two the newest.
    fn rank(&self) -> u8 {
        match self.phase {
            Phase::Failed => 0,
            Phase::Waiting | Phase::Running => 1,
            Phase::Done | Phase::Canceled => 2,
            Phase::Cached => 3,
        }
    }

    fn is_urgent(&self) -> bool {
        self.rank() < 2
    }
}

/// How many steps are not shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hidden {
    pub(crate) running: usize,
    pub(crate) ended: usize,
    pub(crate) cached: usize,
}

/// For each step whether it is shown, and with how many rows of detail; and what is hidden, which takes a row too.
pub(crate) fn fit(needs: &[Need], room: usize) -> (Vec<Option<usize>>, Option<Hidden>) {
    let mut shown = vec![None; needs.len()];
    let mut order: Vec<(u8, std::cmp::Reverse<Option<SystemTime>>, usize)> = needs
        .iter()
        .enumerate()
        .map(|(at, need)| {
            let ended = if need.is_urgent() { None } else { need.ended };
            (need.rank(), std::cmp::Reverse(ended), at)
        })
        .collect();
    order.sort_unstable();
    let urgent = needs.iter().filter(|need| need.is_urgent()).count();
    let settled = needs.len() - urgent;
    // Settled steps give way to details, but for one row, which may have to count them.
    let kept = settled.min(1);
    let mut spare = room.saturating_sub(urgent + kept);
    let details = share(needs, &mut spare);
    let left = (room.saturating_sub(urgent)).saturating_sub(details.iter().sum());
    let all = urgent <= room && settled <= left;
    let steps = if all {
        needs.len()
    } else {
        (urgent + left).min(room).saturating_sub(1)
    };
    for (_, _, at) in order.iter().take(steps) {
        if let (Some(slot), Some(rows)) = (shown.get_mut(*at), details.get(*at)) {
            *slot = Some(*rows);
        }
    }
    let mut hidden = Hidden::default();
    for (_, _, at) in order.iter().skip(steps) {
        match needs.get(*at).map(Need::rank) {
            Some(0 | 2) => hidden.ended += 1,
            Some(1) => hidden.running += 1,
            _ => hidden.cached += 1,
        }
    }
    (shown, (hidden != Hidden::default() && room > 0).then_some(hidden))
}

/// Gives out rows of detail one by one, to each step in turn that wants more.
fn share(needs: &[Need], spare: &mut usize) -> Vec<usize> {
    let mut given = vec![0; needs.len()];
    loop {
        let before = *spare;
        for (given, need) in given.iter_mut().zip(needs) {
            if *given < need.details && *spare > 0 {
                *given += 1;
                *spare -= 1;
            }
        }
        if *spare == before {
            return given;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn need(phase: Phase, ended: u64, details: usize) -> Need {
        Need {
            phase,
            ended: (ended > 0).then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(ended)),
            details,
        }
    }

    #[test]
    fn the_oldest_cached_go_first() {
        let needs = [
            need(Phase::Cached, 9, 0),
            need(Phase::Done, 1, 0),
            need(Phase::Done, 2, 0),
            need(Phase::Running, 0, 0),
        ];
        let all = (vec![Some(0); 4], None);
        assert_eq!(fit(&needs, 4), all);
        let hidden = Hidden {
            ended: 1,
            cached: 1,
            ..Hidden::default()
        };
        assert_eq!(fit(&needs, 3), (vec![None, None, Some(0), Some(0)], Some(hidden)));
    }

    #[test]
    fn details_are_shared() {
        let needs = [
            need(Phase::Running, 0, 10),
            need(Phase::Running, 0, 1),
            need(Phase::Done, 5, 0),
            need(Phase::Cached, 4, 0),
        ];
        let hidden = Hidden {
            ended: 1,
            cached: 1,
            ..Hidden::default()
        };
        assert_eq!(fit(&needs, 8), (vec![Some(4), Some(1), None, None], Some(hidden)));
        assert_eq!(fit(&needs, 20), (vec![Some(10), Some(1), Some(0), Some(0)], None));
    }

    #[test]
    fn never_more_rows_than_there_are() {
        let phases = [
            Phase::Running,
            Phase::Cached,
            Phase::Done,
            Phase::Failed,
            Phase::Canceled,
        ];
        for count in 0..12 {
            let needs: Vec<Need> = phases
                .iter()
                .cycle()
                .take(count)
                .map(|phase| need(*phase, 1, count % 4))
                .collect();
            for room in 0..30 {
                let (shown, hidden) = fit(&needs, room);
                let rows: usize = shown.iter().flatten().map(|details| 1 + details).sum();
                let rows = rows + usize::from(hidden.is_some());
                assert!(rows <= room, "{count} steps take {rows} of {room} rows");
                let gone = hidden.map_or(0, |h| h.running + h.ended + h.cached);
                let shown = shown.iter().flatten().count();
                assert!(room == 0 || shown + gone == count, "{shown} and {gone} of {count}");
            }
        }
    }
}
