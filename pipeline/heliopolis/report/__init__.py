"""What people open: QGIS project, report, figures."""
