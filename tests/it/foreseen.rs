//! What the static part foresees of values is true of what a run sees: no node that it takes for dead is reached, no value is
//! another than it may be, nothing shares memory that it keeps apart.

use forkcheck_model::value::Value;
use forkcheck_tests::cases;
use forkcheck_tests::oracle::eager;

use super::proofs::{READ, WRITE, code, fork, indented, kinds, ran, said};

#[test]
fn values_of_every_case_were_foreseen() {
    let (mut complaints, mut values, mut pairs) = (Vec::new(), 0, 0);
    for case in cases() {
        let program = case.program().expect("it loads");
        let run = eager::run(&program).expect("it is small");
        complaints.extend(run.complaints.iter().map(|complaint| format!("{}: {complaint}", case.name)));
        values += run.values;
        pairs += run.pairs;
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(values > 2_000 && pairs > 2_000, "{values} values, {pairs} pairs");
}

/// What is said of a program, and what a run of it shows, on the numbers 1 and 2.
fn found(main: &str, functions: &str) -> [Vec<&'static str>; 2] {
    [kinds(&said(main, functions)), ran(&code(main, functions), &[Value::Bool(true), Value::Int(2)])]
}

#[test]
fn lists_that_operators_make_hold_something() {
    for condition in [
        "torch.gt(torch.size(y)[0], 1)",
        "torch.gt(torch.size(torch.unsqueeze(y, 0))[-1], 1)",
        "torch.eq(torch.keys({\"a\": y})[0], \"a\")",
        "torch.eq(torch.split(\"a b\", \" \", -1)[1], \"b\")",
        "torch.eq(torch.list(\"ab\")[0], \"a\")",
        "torch.gt(annotate(List[int], y.tolist())[0], 1)",
        "torch.gt(annotate(List[List[int]], torch.unsqueeze(y, 0).tolist())[0][0], 1)",
        "torch.gt(torch.sorted(torch.size(y))[0], 1)",
        "torch.gt(torch.slice(torch.size(y), 0, 1, 1)[0], 1)",
        "torch.gt(torch.add(torch.size(y), [1])[0], 1)",
        "torch.eq((torch.partition(\"a.b\", \".\"))[0], \"a\")",
    ] {
        let branch = format!(
            "if {condition}:\n{}  z = torch.wait(f)\nelse:\n  pass\nreturn y",
            indented(&fork("f", "write", "y"), 1)
        );
        let main = format!("y = torch.add(x, 1)\n{branch}");
        assert_eq!(found(&main, WRITE), [["input-mutation"], ["input-mutation"]], "{condition}");
    }
}

#[test]
fn what_goes_into_a_container_comes_out_of_it() {
    // A list goes in, and what comes out is appended to by a fork; or a tensor does, and the fork adds to it.
    let grow = "def grow(l: List[Tensor]) -> int:\n  _0 = torch.append(l, torch.zeros([1]))\n  return 1\n";
    for way in [
        "z = torch.dict([(\"a\", l)])[\"a\"]",
        "z = (torch.list([(\"b\", l), (\"a\", l)])[1])[1]",
        "z = (torch.values({\"a\": (l, 1)})[0])[0]",
        "z = ((torch.items({\"a\": (l, 1)})[0])[1])[0]",
        "z = (torch.popitem({\"a\": l}))[1]",
        "o = annotate(Optional[Tuple[List[Tensor], int]], (l, 1))\nu = ops.prim.unchecked_unwrap_optional(o)\nz = (u)[0]",
        "o = annotate(Optional[Tuple[List[Tensor], int]], (l, 1))\nu = unchecked_cast(Tuple[List[Tensor], int], o)\nz = (u)[0]",
        "d = {\"a\": [(l, 1)]}\nz = (d[\"a\"][0])[0]",
        "k = torch.add([(l, 1)], [(l, 2)])\nz = (k[1])[0]",
        "k = torch.mul([(l, 1)], 2)\nz = (k[1])[0]",
        "k = torch.copy([(l, 1)])\nz = (torch.pop(k))[0]",
        "d = torch.copy({\"a\": (l, 1)})\nz = (d[\"a\"])[0]",
        "d = annotate(Dict[str, List[Tensor]], {})\nz = torch.setdefault(d, \"a\", l)",
        "d = annotate(Dict[str, List[Tensor]], {})\nz = torch.get(d, \"a\", l)",
    ] {
        let main = format!(
            "y = torch.add(x, 1)\nl = [y]\n{way}\n{}_1 = torch.len(l)\n_2 = torch.wait(f)\nreturn y",
            fork("f", "grow", "z")
        );
        let [said, run] = found(&main, grow);
        assert_eq!(said, ["input-mutation"], "{way}");
        assert!(run.contains(&"input-mutation"), "{way}");
    }
    for way in [
        "z = torch.keys({y: 1})[0]",
        "z = (torch.items({y: 1})[0])[0]",
        "z = (torch.popitem({y: 1}))[0]",
        "d = annotate(Dict[Tensor, int], {})\n_3 = torch._set_item(d, y, 1)\nz = torch.keys(d)[0]",
        "d = annotate(Dict[Tensor, int], {})\n_3 = torch.setdefault(d, y, 1)\nz = torch.keys(d)[0]",
        "z = torch.keys(torch.dict([(y, 1)]))[0]",
        "d = annotate(Dict[Tensor, int], {})\ntorch.update(d, {y: 1})\nz = torch.keys(d)[0]",
    ] {
        let main = format!("y = torch.add(x, 1)\n{way}\n{}_2 = torch.wait(f)\nreturn y", fork("f", "write", "z"));
        assert_eq!(found(&main, WRITE), [["input-mutation"], ["input-mutation"]], "{way}");
        // What is in another tensor is not what is in the key.
        let main = main.replace("write", "read");
        assert_eq!(found(&main, READ), [[""; 0], [""; 0]], "{way}");
    }
}

#[test]
fn parts_of_parts_come_to_an_end() {
    // Each trip takes a part of what the trip before it took: through a variable, or through a list.
    for (main, runs) in [
        ("y = torch.add(x, 1)\nfor i in range(n):\n  y = torch.slice(y, 0, 0, 1)\n", 1),
        (
            "l = [torch.add(x, 1)]\nfor i in range(n):\n  _0 = torch.append(l, torch.slice(torch.pop(l), 0, 0, 1))\ny = l[0]\n",
            1,
        ),
        ("y = torch.slice(torch.add(x, 1), 0, 0, 1)\n", 1),
    ] {
        let main = format!("{main}{}z = torch.wait(f)\nreturn y", fork("f", "write", "y"));
        let found = found(&main, WRITE);
        assert_eq!(found, [vec!["input-mutation"; runs], vec!["input-mutation"; runs]], "{main}");
    }
}

#[test]
fn what_a_loop_carries_is_followed_until_nothing_changes() {
    // Each trip hands each of nine tensors on to the variable before it, so after eight the first has the ninth. Nothing of
    // that shows in any result.
    let names: Vec<String> = (0..9).map(|i| format!("a{i}")).collect();
    let begin: String = names.iter().map(|name| format!("{name} = torch.add(x, 1)\nc_{name} = {name}\n")).collect();
    let keep: String = names.iter().map(|name| format!("  d_{name} = c_{name}\n")).collect();
    let hand_on: String = (0..9).map(|i| format!("  c_{} = d_{}\n", names[i], names[(i + 1) % 9])).collect();
    let main = format!(
        "{begin}for i in range(torch.mul(n, 4)):\n{keep}{hand_on}{}y = torch.add(a8, 1)\nz = torch.wait(f)\nreturn y",
        fork("f", "count", "c_a0")
    );
    let count = "def count(x: Tensor) -> int:\n  _0 = torch.add_(x, 1)\n  return 1\n";
    let report = said(&main, count);
    let target = "local a0, local a1, local a2, local a3, local a4, local a5, local a6, local a7, local a8";
    assert_eq!(report.findings.iter().map(|finding| &*finding.target).collect::<Vec<_>>(), [target]);
    assert!(found(&main, count)[1].contains(&"input-mutation"));
}
