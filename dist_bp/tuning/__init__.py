"""What a sweep varies and how: the options of spaces, searches and schedulers, without Ray Tune behind them."""
