-- A module that is one text.

return "just a text"
