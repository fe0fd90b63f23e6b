"""Tools that only the book needs; run one as ``python -m book.tools COMMAND`` in the checkout."""
