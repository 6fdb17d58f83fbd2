"""Downloads of data and models into the documented layout: resumed, checked, and there only when they are whole."""
