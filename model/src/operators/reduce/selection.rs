//! Selection as PyTorch does it. Which of equal elements is told of depends on how they were moved, so the same moves are
//! made here.

use std::cmp::Ordering;

use super::number::Computed;

/// Where the element of a rank stands in a row, by PyTorch's quick select with a median of three.
pub(super) fn of_rank<T: Computed>(row: &[T], rank: usize) -> usize {
    let mut places: Vec<usize> = (0..row.len()).collect();
    let after = |places: &[usize], i: usize, j: usize| row[places[i]].order(row[places[j]]).is_gt();
    let (mut low, mut high) = (0, row.len() - 1);
    while high > low {
        if high == low + 1 {
            if after(&places, low, high) {
                places.swap(low, high);
            }
            break;
        }
        places.swap(low + (high - low) / 2, low + 1);
        for (i, j) in [(low + 1, high), (low, high), (low + 1, low)] {
            if after(&places, i, j) {
                places.swap(i, j);
            }
        }
        let (mut i, mut j) = (low + 1, high);
        loop {
            i += 1;
            while after(&places, low, i) {
                i += 1;
            }
            j -= 1;
            while after(&places, j, low) {
                j -= 1;
            }
            if j < i {
                break;
            }
            places.swap(i, j);
        }
        places.swap(low, j);
        if j <= rank {
            low = i;
        }
        if j >= rank {
            // Nothing is left below the first.
            high = j.saturating_sub(1);
        }
    }
    places[rank]
}

/// The places of the first `count` of a row in the order of `before`, themselves in order if they are to be: by the
/// introspective select of C++'s library. Of many the first few are found by its heap.
pub(super) fn first_of<T: Computed>(row: &[T], count: usize, largest: bool, sorted: bool) -> Vec<usize> {
    let mut places: Vec<usize> = (0..row.len()).collect();
    if count == 0 {
        return Vec::new();
    }
    let before = |a: usize, b: usize| {
        let order = row[a].order(row[b]);
        if largest { order == Ordering::Greater } else { order == Ordering::Less }
    };
    if count * 64 <= row.len() {
        select_by_heap(&mut places, count, &before);
        sort_heap(&mut places[..count], &before);
    } else {
        select(&mut places, count - 1, &before);
        if sorted {
            sort(&mut places[..count - 1], &before);
        }
    }
    places.truncate(count);
    places
}

type Before<'a> = &'a dyn Fn(usize, usize) -> bool;

/// `std::nth_element`.
fn select(places: &mut [usize], rank: usize, before: Before<'_>) {
    let (mut first, mut last) = (0, places.len());
    let mut depth = 2 * places.len().ilog2();
    while last - first > 3 {
        if depth == 0 {
            select_by_heap(&mut places[first..last], rank + 1 - first, before);
            places.swap(first, rank);
            return;
        }
        depth -= 1;
        let cut = first + partition(&mut places[first..last], before);
        if cut <= rank {
            first = cut;
        } else {
            last = cut;
        }
    }
    insertion_sort(&mut places[first..last], before);
}

/// `std::sort`: parts of up to sixteen are left to the insertion sort at the end.
fn sort(places: &mut [usize], before: Before<'_>) {
    if places.len() > 1 {
        part_for_sort(places, 2 * places.len().ilog2(), before);
        insertion_sort(places, before);
    }
}

fn part_for_sort(mut places: &mut [usize], mut depth: u32, before: Before<'_>) {
    while places.len() > 16 {
        if depth == 0 {
            select_by_heap(places, places.len(), before);
            sort_heap(places, before);
            return;
        }
        depth -= 1;
        let cut = partition(places, before);
        let (below, above) = places.split_at_mut(cut);
        part_for_sort(above, depth, before);
        places = below;
    }
}

/// Parts what is before a pivot, a median of three, from what is not; gives where the second part begins.
fn partition(places: &mut [usize], before: Before<'_>) -> usize {
    let (a, b, c) = (1, places.len() / 2, places.len() - 1);
    let less = |places: &[usize], i: usize, j: usize| before(places[i], places[j]);
    let median = if less(places, a, b) {
        if less(places, b, c) {
            b
        } else if less(places, a, c) {
            c
        } else {
            a
        }
    } else if less(places, a, c) {
        a
    } else if less(places, b, c) {
        c
    } else {
        b
    };
    places.swap(0, median);
    let (mut first, mut last) = (1, places.len());
    loop {
        while less(places, first, 0) {
            first += 1;
        }
        last -= 1;
        while less(places, 0, last) {
            last -= 1;
        }
        if first >= last {
            return first;
        }
        places.swap(first, last);
        first += 1;
    }
}

fn insertion_sort(places: &mut [usize], before: Before<'_>) {
    for i in 1..places.len() {
        let mut j = i;
        while j > 0 && before(places[j], places[j - 1]) {
            places.swap(j, j - 1);
            j -= 1;
        }
    }
}

/// `std::__heap_select`: a heap of the first ones, whose last gives way to whatever is before it.
fn select_by_heap(places: &mut [usize], count: usize, before: Before<'_>) {
    for root in (0..count / 2).rev() {
        let value = places[root];
        sift(&mut places[..count], root, value, before);
    }
    for i in count..places.len() {
        if before(places[i], places[0]) {
            let value = places[i];
            places[i] = places[0];
            sift(&mut places[..count], 0, value, before);
        }
    }
}

/// `std::sort_heap`
fn sort_heap(places: &mut [usize], before: Before<'_>) {
    for last in (1..places.len()).rev() {
        let value = places[last];
        places[last] = places[0];
        sift(&mut places[..last], 0, value, before);
    }
}

/// `std::__adjust_heap`: a hole sinks to the bottom, and the value rises from there to its place.
fn sift(places: &mut [usize], root: usize, value: usize, before: Before<'_>) {
    let length = places.len();
    let mut hole = root;
    let mut child = hole;
    while length > 0 && child < (length - 1) / 2 {
        child = 2 * (child + 1);
        if before(places[child], places[child - 1]) {
            child -= 1;
        }
        places[hole] = places[child];
        hole = child;
    }
    if length.is_multiple_of(2) && length >= 2 && child == (length - 2) / 2 {
        child = 2 * (child + 1);
        places[hole] = places[child - 1];
        hole = child - 1;
    }
    while hole > root {
        let parent = (hole - 1) / 2;
        if !before(places[parent], value) {
            break;
        }
        places[hole] = places[parent];
        hole = parent;
    }
    places[hole] = value;
}
