"""All actions of keys. The bindings, the help, the command palette, `sdtui keys` and the `[keys]`
table of the config file are derived from this list."""

from __future__ import annotations

from dataclasses import dataclass

GLOBAL = ("app", "window")
"""Scopes whose keys work wherever the focus is."""
BEFORE_EDITORS = (*GLOBAL, "ask", "axes", "choose", "models", "new_training", "value")
"""Scopes whose keys come before those of a text editor with the focus."""


@dataclass(frozen=True)
class Action:
    """Something that a key does. `id` is the scope where the key works, a dot, and the name."""

    id: str
    keys: str
    """Separated by commas, as Textual names them."""
    label: str
    """For the footer."""
    help: str
    shown: bool = False
    """True if the footer shows it."""

    @property
    def scope(self) -> str:
        """Where the key works: "app" is everywhere, "window" wherever no dialog is open, "reading"
        wherever no text is typed and no dialog is open, the others only in the pane, control or
        dialog of that name."""
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        """The name of the method that carries it out, without `action_`; of a picture's action, its
        verb."""
        return self.id.partition(".")[2]

    @property
    def call(self) -> str:
        """The action as Textual calls it. Verbs of pictures are carried out by the screen, wherever
        the focus is."""
        return f"screen.verb({self.name!r})" if self.scope == "picture" else self.name


ACTIONS = (
    Action("window.generate", "ctrl+g,f5", "Generate", "Queue a picture as the recipe says", True),
    Action("window.cancel", "ctrl+c", "Cancel", "Stop the running job; pressed twice", True),
    Action("reading.cancel", "ctrl+x", "Cancel", "Stop the running job; pressed twice"),
    Action("window.stop_after", "f7", "Stop after", "Stop the running job after this picture"),
    Action(
        "window.jump",
        "ctrl+o",
        "Go to",
        "Go to a part of the window or change a value, by a key",
        True,
    ),
    Action("app.command_palette", "ctrl+p", "Commands", "Find any action by name", True),
    Action("window.prompt", "f2", "Prompt", "Go to the prompt"),
    Action("window.queue_tab", "f3", "Queue", "Open the queue"),
    Action("window.gallery_tab", "f4", "Gallery", "Open the gallery"),
    Action("shelf.gallery_tab", "1", "Gallery", "Open the gallery"),
    Action("shelf.recipe_tab", "2", "Recipe", "Open the recipe, with every parameter"),
    Action("shelf.queue_tab", "3", "Queue", "Open the queue"),
    Action("shelf.info_tab", "4", "Info", "Open all that is known of the picture"),
    Action("shelf.log_tab", "5", "Log", "Open the log"),
    Action("shelf.search", "slash", "Search", "Search the gallery", True),
    Action("shelf.wider", "greater_than_sign", "Width", "Make the picture wider"),
    Action("shelf.narrower", "less_than_sign", "Width", "Make the picture narrower"),
    Action("shelf.back", "escape", "Prompt", "Go back to the prompt", True),
    Action("shelf.focus_next", "tab", "Next part", "Go to the next part of the window", True),
    Action("shelf.focus_previous", "shift+tab", "Part before", "Go to the part before"),
    Action("window.undo", "ctrl+z", "Undo", "Undo the last change of the recipe"),
    Action("window.redo", "ctrl+y,ctrl+shift+z", "Redo", "Repeat what was undone"),
    Action("window.models", "alt+m", "Model", "Choose or download a model"),
    Action("window.training", "alt+t", "Training", "Train LoRAs, and see how far trainings are"),
    Action("window.full_screen", "f6", "Full screen", "Show the picture on the whole screen"),
    Action("window.editor", "ctrl+t", "Editor", "Edit the prompt in $EDITOR"),
    Action(
        "app.redraw", "ctrl+l", "Redraw", "Draw the screen again, if something else wrote on it"
    ),
    Action("app.next_theme", "f8", "Theme", "Take the next theme"),
    Action("window.settings", "f9", "Settings", "Show every setting, its value and its source"),
    Action("window.details", "f12", "Details", "Show all that is known of the last job"),
    Action("window.taller", "alt+down", "Taller", "Give the prompt one more row"),
    Action("window.shorter", "alt+up", "Shorter", "Give the prompt one row less"),
    Action("window.wider", "alt+right", "Width", "Make the picture wider"),
    Action("window.narrower", "alt+left", "Width", "Make the picture narrower"),
    Action("window.usual_sizes", "alt+0", "Usual sizes", "Give all parts their usual sizes again"),
    Action("app.help", "f1", "Keys", "Show the keys that work here; once more, the manual", True),
    Action("reading.help", "question_mark", "Keys", "Show the keys that work here"),
    Action("app.quit", "ctrl+q", "Quit", "Leave; the recipe and the queue are kept", True),
    Action("prompt.generate", "enter", "Generate", "Queue a picture of the recipe", True),
    Action("prompt.new_line", "ctrl+j,shift+enter,alt+enter", "New line", "Begin a new line", True),
    Action("prompt.next_completion", "ctrl+n", "Next", "Offer the next completion of the prompt"),
    Action("prompt.select_all", "alt+a", "Select all", "Select the whole prompt, to write another"),
    Action("prompt.explain", "alt+r", "Reading", "Show how the prompt is read: chunks and weights"),
    Action("form.previous_row", "up,k", "Up", "Go to the row above"),
    Action("form.next_row", "down,j", "Down", "Go to the row below"),
    Action("form.last_seed", "l", "Last seed", "Take the seed of the last picture", True),
    Action("form.new_seed", "n", "New seed", "Draw a new seed and keep it"),
    Action("form.random_seed", "r", "Random", "Leave the seed open: a new one each time"),
    Action("form.swap_size", "x", "Swap size", "Swap width and height", True),
    Action("form.next_size", "p", "Size presets", "Take the next of the usual sizes", True),
    Action("form.clear", "backspace,delete", "Model's own", "Leave the value to the model"),
    Action("number.increase", "right", "More", "A step up"),
    Action("number.decrease", "left", "Less", "A step down"),
    Action("number.open", "enter", "Edit", "Edit the value, or choose from the usual ones"),
    Action("choice.next", "right", "Next", "Take the next choice"),
    Action("choice.previous", "left", "Previous", "Take the choice before"),
    Action("choice.open", "enter,space", "Choose", "Show all choices", True),
    Action("section.switch", "enter,space", "Fold", "Fold or unfold the rows below", True),
    Action("section.unfold", "right", "Unfold", "Show the rows below"),
    Action("section.fold", "left", "Fold", "Hide the rows below"),
    Action("path.open", "enter", "Choose", "Choose a file", True),
    Action("stage.previous", "left,h,up,k", "Previous", "Go to the previous picture", True),
    Action("stage.next", "right,l,down,j", "Next", "Go to the next picture", True),
    Action("stage.before_after", "b", "Before/after", "Switch to what it was made from, and back"),
    Action("queue.earlier", "K,shift+up", "Earlier", "Move the job forward", True),
    Action("queue.later", "J,shift+down", "Later", "Move the job back", True),
    Action("queue.remove", "d,delete", "Remove", "Cancel the job or take it out", True),
    Action("queue.remove_grid", "D", "Remove grid", "Cancel all jobs of the job's grid"),
    Action("queue.pause", "p", "Pause", "Begin no more jobs, or go on", True),
    Action("queue.stop_after", "s", "Stop after", "Stop the running job after this picture"),
    Action("queue.reuse", "r", "Reuse", "Bring the job's settings into the recipe", True),
    Action("queue.details", "enter", "Details", "Show all that is known of the job", True),
    Action("queue.save_again", "w", "Save again", "Save what the disk had no room for"),
    Action(
        "log.filter",
        "f",
        "Filter",
        "Show warnings and errors, errors, everything, or all but steps",
        True,
    ),
    Action("log.copy", "y", "Copy", "Copy the log to the clipboard", True),
    Action("log.save", "s", "Save", "Write the log to a file", True),
    Action("log.details", "enter", "Details", "Show the line whole", True),
    Action("picture.star", "s", "Star", "Star the picture, or take the star away", True),
    Action("picture.vary", "v", "Vary", "Make it again with one value changed, and compare", True),
    Action("picture.grid", "X", "Vary", "Make it over the values of up to three axes"),
    Action("picture.start_from", "i", "Start from", "Start the next picture from this one", True),
    Action("picture.mask", "m", "Mask", "Draw a mask over the picture, or new borders", True),
    Action("picture.hires", "H", "Hires", "Make it again in a larger size, with more detail", True),
    Action("picture.upscale", "U", "Upscale", "Make the picture larger, as it is", True),
    Action("picture.open", "enter,f", "View", "Show the picture on the whole screen", True),
    Action("picture.reuse", "r", "Reuse", "Bring all its settings into the recipe", True),
    Action("picture.reuse_new_seed", "R", "Reuse", "Bring all settings but the seed"),
    Action("picture.compare", "c", "Compare", "Mark a picture, then compare another with it", True),
    Action("picture.lineage", "o", "Origin", "Show what it was made from, and what of it"),
    Action("picture.tag", "t", "Tag", "Add tags, or take them away with a minus", True),
    Action(
        "picture.copy",
        "y",
        "Copy",
        "Copy path, prompt, JSON or image, send the file, or open it",
        True,
    ),
    Action("picture.export", "e", "Copy", "Write the pictures with their JSON into a zip file"),
    Action("picture.copy_prompt", "Y", "Copy", "Copy the prompt"),
    Action("picture.copy_json", "M", "Copy", "Copy the whole record as JSON"),
    Action("picture.undo", "u", "Undo", "Take the last star, tag or trash back"),
    Action("picture.trash", "d,delete", "Trash", "Move the picture into the trash", True),
    Action("picture.mark", "space", "Mark", "Mark the picture, for keys that mean several", True),
    Action("picture.trash_view", "T", "Trash", "List the trash, or everything again"),
    Action(
        "gallery.leave", "escape,q", "Back", "Leave the search, drop the marks, or go back", True
    ),
    Action("gallery.left", "left,h", "Move", "Go to the picture before"),
    Action("gallery.right", "right,l", "Move", "Go to the next picture"),
    Action("gallery.up", "up,k", "Move", "Go a row up"),
    Action("gallery.down", "down,j", "Move", "Go a row down"),
    Action("gallery.page_up", "pageup,ctrl+u", "Page", "Go up one page"),
    Action("gallery.page_down", "pagedown,ctrl+d", "Page", "Go down one page"),
    Action("gallery.newest", "home,g", "Ends", "Go to the newest picture"),
    Action("gallery.last", "end,G", "Ends", "Go to the oldest picture"),
    Action("gallery.mark_range", "V", "Mark many", "Mark from one picture to another"),
    Action("gallery.mark_left", "shift+left", "Mark many", "Mark, and go to the picture before"),
    Action("gallery.mark_right", "shift+right", "Mark many", "Mark, and go to the next picture"),
    Action("gallery.mark_up", "shift+up", "Mark many", "Mark all on the way a row up"),
    Action("gallery.mark_down", "shift+down", "Mark many", "Mark all on the way a row down"),
    Action("gallery.larger", "plus", "Size", "Make the thumbnails larger"),
    Action("gallery.smaller", "minus", "Size", "Make the thumbnails smaller"),
    Action("gallery.list", "L", "List", "Show a list in place of thumbnails, and back"),
    Action("search.leave", "escape", "Everything", "List everything again"),
    Action("search.saved", "down", "Saved", "Choose from the saved searches", True),
    Action("search.save", "ctrl+s", "Save", "Save the search, or forget it", True),
    Action("info.json", "J", "JSON", "Show the picture's whole record", True),
    Action("info.copy", "C", "Copy", "Copy the info to the clipboard", True),
    Action("list.cursor_up", "up,k", "Up", "Go up"),
    Action("list.cursor_down", "down,j", "Down", "Go down"),
    Action("list.page_up", "pageup,ctrl+u", "Page up", "Go up one page"),
    Action("list.page_down", "pagedown,ctrl+d", "Page down", "Go down one page"),
    Action("list.first", "home,g", "First", "Go to the first line"),
    Action("list.last", "end,G", "Last", "Go to the last line"),
    Action("viewer.close", "escape,q,enter", "Back", "Back to the window", True),
    Action("text.copy", "y", "Copy", "Copy the text to the clipboard", True),
    Action("manual.next_page", "right", "Next page", "Show the next page of the manual", True),
    Action("manual.previous_page", "left", "Page before", "Show the page before", True),
    Action("full_screen.next", "right,l,down,j,pagedown", "Next", "Show the next picture", True),
    Action("full_screen.previous", "left,h,up,k,pageup", "Previous", "Show the picture before"),
    Action(
        "full_screen.before_after", "b", "Before/after", "Switch to what it was made from, and back"
    ),
    Action("full_screen.back", "f,f6", "Back", "Back to the window"),
    Action("zoom.larger", "plus,equals_sign", "Zoom in", "Magnify the picture", True),
    Action("zoom.smaller", "minus", "Zoom out", "Magnify the picture less, down to all of it"),
    Action("zoom.actual", "z", "1:1", "One pixel for each of the picture, or all of it", True),
    Action("zoom.fit", "0", "Fit", "Show the whole picture"),
    Action("zoom.left", "left,h", "Left", "Move to the left in a magnified picture"),
    Action("zoom.right", "right,l", "Right", "Move to the right in a magnified picture"),
    Action("zoom.up", "up,k", "Up", "Move up in a magnified picture"),
    Action("zoom.down", "down,j", "Down", "Move down in a magnified picture"),
    Action("mask.pen", "space", "Draw", "Put the pen down, or lift it", True),
    Action("mask.use", "enter", "Use", "Use the mask for the next picture", True),
    Action("mask.brush", "b", "Brush", "Draw with a brush", True),
    Action("mask.rectangle", "r", "Rectangle", "Fill a rectangle, from corner to corner", True),
    Action("mask.lasso", "s", "Lasso", "Fill what a line surrounds", True),
    Action("mask.fill", "f", "Fill", "Fill a part of nearly the same colour", True),
    Action("mask.erase", "e", "Erase", "Let the tools erase, or draw again", True),
    Action("mask.borders", "x", "Borders", "Add borders to be painted, or cut some off", True),
    Action("mask.undo", "u,ctrl+z", "Undo", "Take the last stroke back", True),
    Action("mask.redo", "U,ctrl+y,ctrl+shift+z", "Redo", "Repeat what was undone"),
    Action("mask.close", "escape,q", "Leave", "Leave a shape, or the mask", True),
    Action("mask.smaller", "left_square_bracket", "Size", "Smaller brush, tolerance or step"),
    Action("mask.larger", "right_square_bracket", "Size", "Larger brush, tolerance or step"),
    Action("mask.soft", "w", "Soft", "Give the brush a soft edge, or a hard one"),
    Action("mask.less_blur", "left_curly_bracket", "Blur", "Less blur of the mask's edge"),
    Action("mask.more_blur", "right_curly_bracket", "Blur", "More blur of the mask's edge"),
    Action("mask.invert", "i", "Invert", "Mask all that isn't masked, and nothing else"),
    Action("mask.all", "a", "Mask all", "Mask the whole picture"),
    Action("mask.clear", "c", "Clear", "Unmask the whole picture"),
    Action("mask.tint", "t", "Tint", "Show the mask in another colour"),
    Action("mask.peek", "p", "Hide", "Show the picture without the mask, or with it"),
    Action("mask.zoom_in", "plus,equals_sign", "Zoom", "Magnify the picture"),
    Action("mask.zoom_out", "minus", "Zoom", "Magnify the picture less"),
    Action("mask.fit", "0", "Fit", "Show the whole picture"),
    Action("mask.left", "left,h", "Move", "Move to the left, or add a border there"),
    Action("mask.right", "right,l", "Move", "Move to the right, or add a border there"),
    Action("mask.up", "up,k", "Move", "Move up, or add a border there"),
    Action("mask.down", "down,j", "Move", "Move down, or add a border there"),
    Action("mask.far_left", "shift+left,H", "Far", "Move far to the left, or cut a border"),
    Action("mask.far_right", "shift+right,L", "Far", "Move far to the right, or cut a border"),
    Action("mask.far_up", "shift+up,K", "Far", "Move far up, or cut a border"),
    Action("mask.far_down", "shift+down,J", "Far", "Move far down, or cut a border"),
    Action("compare.next_mode", "m,tab", "Mode", "Side by side, divider, difference", True),
    Action("compare.flip", "space", "Flip", "Show one picture in the place of the other", True),
    Action("compare.first", "1", "A", "Let the keys of pictures mean A", True),
    Action("compare.second", "2", "B", "Let the keys of pictures mean B", True),
    Action("compare.divider_left", "left", "Divider left", "Move the divider to the left"),
    Action("compare.divider_right", "right", "Divider right", "Move the divider to the right"),
    Action("compare.scroll_up", "pageup", "Page up", "Scroll up in what differs"),
    Action("compare.scroll_down", "pagedown", "Page down", "Scroll down in what differs"),
    Action("training.switch", "tab,shift+tab", "Switch", "Go to the checkpoints, or back", True),
    Action("training.new", "n", "New", "Begin a new training", True),
    Action("training.pause", "p", "Pause", "Pause the training, or go on with it", True),
    Action("training.stop", "s", "Stop", "End the training with what it has learnt", True),
    Action("training.keep", "b", "Keep best", "Make the checkpoint with the cursor the LoRA", True),
    Action("training.previous_sample", "left,h", "Sample", "Choose the sample before"),
    Action("training.next_sample", "right,l", "Sample", "Choose the next sample"),
    Action("training.show_sample", "enter", "Gallery", "Show the sample in the gallery", True),
    Action("training.delete", "d,delete", "Delete", "Delete the training; its LoRAs stay", True),
    Action("training.close", "escape,q", "Back", "Back to the window", True),
    Action("new_training.start", "ctrl+g,f5", "Start", "Check the values, and train", True),
    Action("new_training.close", "escape", "Back", "Don't train; the values are kept", True),
    Action("settings.change", "enter", "Change", "Change the setting in the config file", True),
    Action("settings.reset", "backspace,delete", "Default", "Leave the setting to sdtui", True),
    Action("settings.close", "escape,q", "Back", "Back to the window", True),
    Action("settings.edit", "e", "Edit file", "Edit the config file in $EDITOR", True),
    Action("question.yes", "enter,y", "Yes", "Say yes", True),
    Action("question.no", "n", "No", "Say no", True),
    Action("question.leave", "escape", "Back", "Leave it open", True),
    Action(
        "orphaned_jobs.yes",
        "enter",
        "Go on",
        "Go on with the queue that another process left",
        True,
    ),
    Action("orphaned_jobs.no", "delete", "Discard", "Discard the queue that it left", True),
    Action("orphaned_jobs.leave", "escape", "Later", "Ask at the next start", True),
    Action("choose.up", "up", "Up", "Go up in the choices"),
    Action("choose.down", "down", "Down", "Go down in the choices"),
    Action("choose.page_up", "pageup", "Page up", "Go up one page of the choices"),
    Action("choose.page_down", "pagedown", "Page down", "Go down one page of the choices"),
    Action("choose.choose", "enter", "Choose", "Take the choice with the cursor", True),
    Action("choose.close", "escape", "Back", "Choose nothing", True),
    Action("value.take", "enter", "Take", "Take the value; of a chip, also generate", True),
    Action("value.next", "tab", "Next", "Take the value and go to the next chip", True),
    Action("value.previous", "shift+tab", "Before", "Take the value and go to the chip before"),
    Action("value.up", "up", "More", "A step up, or up in the list"),
    Action("value.down", "down", "Less", "A step down, or down in the list"),
    Action("value.close", "escape", "Leave", "Leave the value as it was", True),
    Action("models.cancel_download", "ctrl+c", "Cancel", "Cancel the download", True),
    Action("ask.save", "enter", "Save", "Take the text", True),
    Action("ask.close", "escape", "Cancel", "Change nothing", True),
    Action("axes.generate", "enter", "Generate", "Queue the pictures of the grid", True),
    Action("axes.previous", "up", "Up", "Go to the axis above"),
    Action("axes.next", "down", "Down", "Go to the axis below"),
    Action("axes.close", "escape", "Cancel", "Queue nothing", True),
    Action("which_key.close", "escape,q", "Back", "Do nothing", True),
    Action("which_key.next_page", "pagedown", "More", "Show more keys"),
    Action("which_key.previous_page", "pageup", "Less", "Show the keys before"),
)
"""`sdtui keys` prints them in this order."""


def actions_in(scope: str) -> tuple[Action, ...]:
    """Return the actions of a scope."""
    return tuple(action for action in ACTIONS if action.scope == scope)
