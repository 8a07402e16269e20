"""Benchmarks with goals: each module measures one promise of ours against what others do, within the same run."""
