"""Many runs over time: how the newest compare, and how often which verdict came."""
