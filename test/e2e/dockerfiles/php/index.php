<?php echo "php says ", 6 * 7, ", mysqli ", extension_loaded("mysqli") ? "is there" : "is missing", "\n";
