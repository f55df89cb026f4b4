"""Drawing a mask over a picture, without Textual: tools, undo, borders, and how it is drawn in
half-cells."""
